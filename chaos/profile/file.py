"""A profile: an incident as a file, read whole to a Scenario; every broken rule is told at once.

What a file leaves out is as in the suites: a load of the reference's own
operations, the phases' and the budget's defaults. What it cannot leave out is
where the incident is described, and in what way this is and is not that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import Field, create_model

from chaos.profile.entries import Timeline
from chaos.profile.load_section import LOAD, LoadSection, read_load
from chaos.profile.scenario import Phases, Scenario
from harness.criteria import Abort, Budget, Observation
from harness.errors import InputError
from harness.load import Ramp, Sine, Spike
from harness.root import ROOT
from harness.tables import Duration, Listed, Table, Tagged, Text, json_schema_text, read, read_toml

PROFILES = ROOT / "chaos" / "profiles"
STAGES: Mapping[str, type[Any]] = {"ramp": Ramp, "spike": Spike, "sine": Sine}
# In a file a phase is called without its unit, which its value has.
PHASES: Mapping[str, dataclasses.Field[Any]] = {
    field.name.removesuffix("_s"): field for field in dataclasses.fields(Phases)
}
if TYPE_CHECKING:
    PhasesTable = Table
else:
    PhasesTable = create_model(
        "PhasesTable",
        __base__=Table,
        __doc__="How long each phase lasts.",
        **{name: (Duration, Field(field.default, description=ABOUT[name])) for name, field in PHASES.items()},
    )


class Fidelity(Table):
    """In which ways what is played is what happened, and in which it is not."""

    mechanism: Text
    """What breaks, and how."""
    magnitude: Text
    """How much, and how long."""
    topology: Text
    """Where, among what."""


class Played(Table):
    """What a profile and a recorded scenario have in common."""

    load: LoadSection = {}
    """As in a target file, which may change it."""
    phases: PhasesTable = PhasesTable()
    """How long each phase lasts."""
    shape: Listed[Annotated[Ramp | Spike | Sine, Tagged("stage", STAGES)]] = ()
    """What the load does after warm-up, stage by stage, before it goes on at its rate."""
    timeline: Timeline = ()
    """The faults."""
    must_observe: Listed[Observation] = ()
    """What must have been observed for a pass to mean anything."""
    budget: Budget = Budget()
    """As in a target file, which cannot change it."""
    abort_if: Listed[Abort] = ()
    """What ends a run early."""


class Profile(Played):
    """A profile's file."""

    source: Text
    """Where the incident is described: an address or a title."""
    fidelity: Fidelity
    """In which ways what is played is what happened."""


class Recorded(Played):
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
    """Return the JSON Schema of a profile's file: `python -m harness.tables chaos/profiles/schema.json`."""
    made_by = f"{__name__}:{schema_text.__name__}"
    return json_schema_text(Profile, title="Profile: an incident to be played", made_by=made_by)


def parse_profile(
    source: str, name: str, table: Mapping[str, object], *, kind: type[Played] = Profile, budget: Budget | None = None
) -> Scenario:
    """Return the scenario that a profile's table describes, in the form of `kind`; `source` names it in errors.

    `budget` is what its own budget is laid over. Raises an ExceptionGroup of an InputError for each rule broken.
    """
    errors: list[Exception] = []
    played, load = None, LOAD
    try:
        played = read(kind, source, table)
    except ExceptionGroup as group:
        errors += group.exceptions
    try:
        load = read_load(source, table.get("load", {}))
    except ExceptionGroup as group:
        errors += group.exceptions
    if played is not None and not errors:
        phases = Phases(**{f"{phase}_s": length for phase, length in played.phases.model_dump().items()})
        kept = played.budget.over(budget or Budget())
        wanted, ends = played.must_observe, played.abort_if
        try:
            return Scenario(name, load, phases, played.timeline, played.shape, kept, wanted, ends, profile=table)
        except ValueError as error:
            errors.append(InputError(source, "phases.faults", f"{phases.faults_s:g} s", str(error)))
    raise ExceptionGroup(f"{source}: breaks {len(errors)} rule(s)", errors)
