"""A profile: an incident as a file, parsed whole to a Scenario; every broken rule is told at once.

What a file leaves out is as in the suites: a load of the reference's own
operations, the phases' and the budget's defaults. What it cannot leave out is
where the incident is described, and in what way this is and is not that.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from chaos.profile.entries import parse_timeline
from chaos.profile.fields import TEXT, Field, broken, fields_of, parse_text, read_fields, refuse_unknown
from chaos.profile.scenario import Phases, Scenario
from harness.criteria import Abort, Budget, Observation
from harness.errors import InputError
from harness.load import LoadSettings, LoadTable, Mix, Ramp, Sine, Spike, Stage, override
from harness.root import ROOT
from harness.tables import Listed, read

_T = TypeVar("_T")
PROFILES = ROOT / "chaos" / "profiles"
SECTIONS = (
    *("source", "fidelity", "load", "phases", "shape", "timeline"),
    *("must_observe", "budget", "abort_if"),
)
LOAD = LoadSettings(100.0, Mix({"rpc_echo": 0.3, "ledger_write": 0.2, "cache_put": 0.2, "cache_get": 0.3}))
# In which ways what is played is what happened.
FIDELITY = {name: Field(name, parse_text, TEXT, required=True) for name in ("mechanism", "magnitude", "topology")}
# In a file a phase is called without its unit, which its value has.
PHASES = {name.removesuffix("_s"): field for name, field in fields_of(Phases).items()}
STAGES: Mapping[str, type[Any]] = {"ramp": Ramp, "spike": Spike, "sine": Sine}


def load_profile(path: Path) -> Scenario:
    """Read a profile, which is called as its file is.

    Raises InputError when it is no readable TOML, and else an ExceptionGroup of an InputError for each rule broken.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(str(path), "file", path.name, f"must be readable ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(str(path), "file", path.name, f"must be TOML: {error}") from error
    return parse_profile(str(path), path.stem, table)


def shipped() -> list[Path]:
    """Return the profiles that come with this repository."""
    return sorted(PROFILES.glob("*.toml"))


def parse_profile(
    source: str,
    name: str,
    table: Mapping[str, object],
    *,
    budget: Budget | None = None,
    recorded: bool = False,
) -> Scenario:
    """Return the scenario that a profile's table describes; `source` names it in errors.

    `budget` is what its own budget is laid over; one that is `recorded` may be of a scenario that is no incident.
    Raises an ExceptionGroup of an InputError for each rule broken.
    """
    errors: list[Exception] = []
    refuse_unknown(source, "", table, SECTIONS, errors)
    _check_origin(source, table, errors, recorded=recorded)
    base = budget or Budget()
    asked, costs = _section(source, "load", table, errors), _section(source, "budget", table, errors)
    load = _gathered(errors, LOAD, lambda: override(LOAD, source, read(LoadTable, source, asked, where="load"), {}))
    kept = _gathered(errors, base, lambda: base.override(source, costs))
    wanted = _listed(source, "must_observe", Observation, table, errors)
    ends = _listed(source, "abort_if", Abort, table, errors)
    phases = _phases(source, _section(source, "phases", table, errors), errors)
    timeline = parse_timeline(source, table.get("timeline", []), errors)
    shape = _shape(source, table.get("shape", []), errors)
    if not errors:
        try:
            return Scenario(name, load, phases, timeline, shape, kept, wanted, ends, profile=table)
        except ValueError as error:
            errors.append(InputError(source, "phases.faults", f"{phases.faults_s:g} s", str(error)))
    raise ExceptionGroup(f"{source}: breaks {len(errors)} rule(s)", errors)


def _gathered(errors: list[Exception], otherwise: _T, parse: Callable[[], _T]) -> _T:
    """Return what `parse` does; where it raises a group, `otherwise`, and the group's errors are gathered."""
    try:
        return parse()
    except ExceptionGroup as group:
        errors += group.exceptions
        return otherwise


def _listed(source: str, key: str, kind: Any, table: Mapping[str, object], errors: list[Exception]) -> tuple[Any, ...]:
    nothing: tuple[Any, ...] = ()
    return _gathered(errors, nothing, lambda: read(cast("Any", Listed[kind]), source, table.get(key, []), where=key))


def _check_origin(source: str, table: Mapping[str, object], errors: list[Exception], *, recorded: bool) -> None:
    """Note what is wrong with where the incident is described, and with how faithful this is to it."""
    if recorded and "source" not in table and "fidelity" not in table:
        return
    try:
        _ = parse_text(table.get("source"))
    except ValueError:
        rule = "must say where the incident is described: an address or a title"
        errors.append(InputError(source, "source", table.get("source"), rule))
    fidelity = _section(source, "fidelity", table, errors)
    _ = read_fields(source, "fidelity", fidelity, FIDELITY, errors)
    refuse_unknown(source, "fidelity", fidelity, FIDELITY, errors)


def _phases(source: str, table: Mapping[str, object], errors: list[Exception]) -> Phases:
    refuse_unknown(source, "phases", table, PHASES, errors)
    values = read_fields(source, "phases", table, PHASES, errors)
    return dataclasses.replace(Phases(), **{f"{name}_s": value for name, value in values.items()})


def _shape(source: str, value: object, errors: list[Exception]) -> tuple[Stage, ...]:
    """Return the stages of the load's shape; those that break a rule are left out, and told."""
    if not isinstance(value, list):
        errors.append(InputError(source, "shape", value, "must be a list of tables: [[shape]]"))
        return ()
    stages: list[Stage] = []
    for n, table in enumerate(value):
        where, before = f"shape[{n}]", len(errors)
        kind = STAGES.get(str(table.get("stage"))) if isinstance(table, Mapping) else None
        if kind is None or not isinstance(table, Mapping):
            errors.append(InputError(source, f"{where}.stage", table, f"must be one of {', '.join(STAGES)}"))
            continue
        fields = fields_of(kind)
        refuse_unknown(source, where, table, ["stage", *fields], errors)
        values = read_fields(source, where, table, fields, errors)
        try:
            stages += [kind(**values)] if len(errors) == before else []
        except ValueError as error:
            errors.append(broken(source, where, table, error))
    return tuple(stages)


def _section(source: str, key: str, table: Mapping[str, object], errors: list[Exception]) -> Mapping[str, object]:
    """Return a table of the profile, an empty one when it is absent or no table."""
    value = table.get(key, {})
    if isinstance(value, Mapping):
        return value
    errors.append(InputError(source, key, value, f"must be a table: [{key}]"))
    return {}
