"""What a run folder keeps so that its run can be played again: the scenario as a profile whose timeline is expanded.

It is written before anything is broken, in the form that profiles have, so
that what reads a user's file reads it too. What a target file adds is not in
it: that may hold secrets, and is applied again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaos.faults.ranges import values_of
from chaos.profile.file import PHASES, STAGES, RecordedProfile, parse_profile
from chaos.profile.scenario import Scenario
from chaos.profile.timeline import Planned
from harness.criteria import Budget
from harness.errors import InputError
from harness.load import LoadSettings, Stage, Users
from harness.tables import keys_of

SCENARIO_NAME = "scenario.json"
# What of a profile goes into the file as it stood there.
_AS_GIVEN = ("source", "fidelity", "must_observe", "budget", "abort_if")


def to_json(planned: Planned) -> dict[str, object]:
    """Return a planned fault as a JSON-safe table: kind, target, times, parameters in SI units, and its course."""
    fault: Any = planned.fault
    times = {"inject_s": planned.inject_s, "heal_s": planned.heal_s}
    table = {**times, "fault": fault.kind, "target": fault.target, **values_of(fault, without=("target",))}
    course = [{"at_s": c.at_s, **values_of(c.fault, without=("target",))} for c in planned.course]
    return {**table, "course": course} if course else table


def write_scenario(folder: Path, scenario: Scenario, planned: Sequence[Planned]) -> None:
    """Write a scenario, scaled in time but not overridden by a target file, with its expanded timeline.

    Raises OSError.
    """
    document = {
        "name": scenario.name,
        "time_scale": scenario.time_scale,
        "budget": scenario.budget.written(),
        "profile": {
            "must_observe": [each.written() for each in scenario.must_observe],
            "abort_if": [each.written() for each in scenario.abort_if],
            **{key: scenario.profile[key] for key in _AS_GIVEN if key in scenario.profile},
            "load": _load_table(scenario.load),
            "phases": {name: getattr(scenario.phases, f"{name}_s") for name in keys_of(PHASES)},
            "shape": [_stage_table(stage) for stage in scenario.shape],
            "timeline": [to_json(each) for each in planned],
        },
    }
    (folder / SCENARIO_NAME).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def read_scenario(folder: Path) -> Scenario:
    """Return the scenario of a run, with its timeline as it was expanded for that run.

    Raises InputError when there is none that can be read, and else an ExceptionGroup of InputErrors.
    """
    path = folder / SCENARIO_NAME
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        name, scale = str(document["name"]), float(document["time_scale"])
        budget, profile = dict(document["budget"]), dict(document["profile"])
    except OSError as error:
        raise InputError(str(path), "file", path.name, f"must be readable ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        rule = f"must be what a run wrote: {type(error).__name__}: {error}"
        raise InputError(str(path), "file", path.name, rule) from error
    base = Budget().override(str(path), budget)
    scenario = parse_profile(str(path), name, profile, kind=RecordedProfile, base=base)
    return dataclasses.replace(scenario, time_scale=scale)


def _load_table(load: LoadSettings) -> dict[str, object]:
    """Return a load as a `[load]` table in SI units, but for what only a target file can give."""
    table: dict[str, object] = {
        "rate_per_s": load.rate_per_s,
        "mix": dict(load.mix.weights),
        "deadline_s": load.deadline_s,
        "deadlines_s": dict(load.deadlines_s),
        "arrivals": "poisson" if load.poisson else "constant",
        "connections": "fresh" if load.fresh else "keep_alive",
        "logins": load.logins,
    }
    if load.in_flight_max is not None:
        table["in_flight_max"] = load.in_flight_max
    if load.cancels is not None:
        ends_s = [load.cancels.least_s, load.cancels.most_s]
        table["cancel"] = {"fraction": load.cancels.fraction, "after_s": ends_s}
    if load.users is not None:
        table["users"] = _users_table(load.users)
    if load.sockets is not None:
        table["sockets"] = dataclasses.asdict(load.sockets)
    return table


def _users_table(users: Users) -> dict[str, object]:
    times = {"think_s": users.think_s, "over_s": users.over_s}
    return {"count": users.count, **times, "first": list(users.first), "mix": dict(users.mix.weights)}


def _stage_table(stage: Stage) -> dict[str, object]:
    name = next(name for name, kind in STAGES.items() if isinstance(stage, kind))
    return {"stage": name, **values_of(stage)}
