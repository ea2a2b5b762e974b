"""A profile: an incident as a file, read whole to a Scenario; every broken rule is told at once.

What a file leaves out is as in the suites: a load of the reference's own
operations, the phases' and the budget's defaults. What it cannot leave out is
where the incident is described, and in what way this is and is not that.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, create_model

from chaos.profile.entries import Timeline
from chaos.profile.scenario import Phases, Scenario
from harness.criteria import Abort, Budget, Observation
from harness.errors import InputError
from harness.load import LoadSettings, LoadTable, Mix, Ramp, Sine, Spike, override
from harness.root import ROOT
from harness.tables import (
    ByHand,
    Duration,
    Listed,
    Table,
    Tagged,
    Text,
    json_schema_text,
    keys_of,
    marked_schema,
    read,
    read_toml,
    validate,
)

PROFILES = ROOT / "chaos" / "profiles"
LOAD = LoadSettings(100.0, Mix({"rpc_echo": 0.3, "ledger_write": 0.2, "cache_put": 0.2, "cache_get": 0.3}))
STAGES: Mapping[str, type[Any]] = {"ramp": Ramp, "spike": Spike, "sine": Sine}


def _phases_table() -> type[Table]:
    """Return the table of Phases: in a file a phase is called without its unit, which its value has."""
    described = marked_schema(Phases)["properties"]
    fields: dict[str, Any] = {
        name.removesuffix("_s"): (Duration, Field(getattr(Phases(), name), description=described[name]["description"]))
        for name in keys_of(Phases)
    }
    return create_model("PhasesTable", __base__=Table, **fields)


PHASES = _phases_table()


def _read_phases(value: object) -> Phases:
    lengths = validate(PHASES, value).model_dump()
    return Phases(**{f"{name}_s": length for name, length in lengths.items()})


class Fidelity(Table):
    """In which ways what is played is what happened, and in which it is not."""

    mechanism: Text
    """What breaks, and how."""
    magnitude: Text
    """How much of it, and how long."""
    topology: Text
    """Among what."""


class Played(Table):
    """What a profile and a recorded scenario have in common."""

    load: LoadTable = Field(default_factory=LoadTable)
    """As in a target file, which goes above it."""
    phases: Annotated[Phases, ByHand(_read_phases, lambda: marked_schema(PHASES))] = Field(default_factory=Phases)
    """How long each phase lasts."""
    shape: Listed[Annotated[Ramp | Spike | Sine, Tagged("stage", STAGES)]] = ()
    """What the load does after warm-up, stage by stage, before it goes on at its rate."""
    timeline: Timeline = ()
    """The faults."""
    must_observe: Listed[Observation] = ()
    """What must have been observed for a pass to mean anything."""
    budget: Budget = Field(default_factory=Budget)
    """As in a target file; this goes above it."""
    abort_if: Listed[Abort] = ()
    """What ends a run early."""


class Profile(Played):
    """An incident to be played."""

    source: Text
    """Where the incident is described: an address or a title."""
    fidelity: Fidelity
    """In which ways what is played is what happened, and in which it is not."""


class RecordedProfile(Played):
    """What a run folder keeps of a scenario, which may be of no incident."""

    source: Text | None = None
    fidelity: Fidelity | None = None


def load_profile(path: Path) -> Scenario:
    """Read a profile, which is called as its file is.

    Raises InputError when it is no readable TOML, and else an ExceptionGroup of an InputError for each rule broken.
    """
    return parse_profile(str(path), path.stem, read_toml(path))


def shipped() -> list[Path]:
    """Return the profiles that come with this repository."""
    return sorted(PROFILES.glob("*.toml"))


def schema_text() -> str:
    """Return the JSON Schema of profiles, as `profiles/schema.json` has it."""
    made_by = f"{__name__}:{schema_text.__name__}"
    return json_schema_text(Profile, title="Profile: an incident to be played", made_by=made_by)


def parse_profile(
    source: str, name: str, table: Mapping[str, object], *, kind: type[Played] = Profile, base: Budget | None = None
) -> Scenario:
    """Return the scenario that a profile's table describes, as a table of `kind`; `source` names it in errors.

    `base` is what its own budget is laid over. Raises an ExceptionGroup of an InputError for each rule broken.
    """
    played = read(kind, source, table)
    load, phases, budget = override(LOAD, source, played.load, {}), played.phases, played.budget.over(base or Budget())
    wanted, ends = played.must_observe, played.abort_if
    try:
        return Scenario(name, load, phases, played.timeline, played.shape, budget, wanted, ends, profile=table)
    except ValueError as error:
        broken = InputError(source, "phases.faults", phases.faults_s, str(error))
        raise ExceptionGroup(f"{source}: breaks 1 rule", [broken]) from None
