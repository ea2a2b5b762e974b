"""A scenario: a load, a fault timeline and a budget, as one frozen value.

Every suite and every profile is one of these and runs through the same path;
nothing in it says how.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

from chaos.profile.timeline import Planned, TimelineEntry, expand, last_heal_s
from harness.criteria import Abort, Budget, Observation
from harness.load import DeclaredOperations, LoadSettings, LoadTable, Ramp, Stage, constant, override
from harness.tables import Duration, table
from harness.verdict import Decision

# Steady state is proved at this share of the rate: enough to try every operation, too little to strain anything.
_GENTLE = 0.1
# The phases that end when something has happened: a system does not close its connections sooner in a shorter run.
_LIMITS = frozenset({"drain_s", "settle_s"})


@table
@dataclass(frozen=True, slots=True)
class Phases:
    """How long each phase lasts."""

    control_s: Duration = 0.0
    """The services are watched without load."""
    steady_s: Duration = 10.0
    """Steady state is proved."""
    warm_up_s: Duration = 30.0
    """The load climbs, and caches and pools fill."""
    faults_s: Duration = 60.0
    """Faults come and go; from the end of warm-up to the last heal or later."""
    hold_s: Duration = 30.0
    """The load goes on without faults."""
    drain_s: Duration = 10.0
    """The longest that the last requests may take."""
    settle_s: Duration = 5.0
    """The longest that everything that the load opened may take to be closed, after that."""

    @property
    def total_s(self) -> float:
        """How long all of them take at most."""
        return float(sum(dataclasses.astuple(self)))

    def scaled(self, time_scale: float) -> Phases:
        """Return the same phases `time_scale` times as long, but for the drain and what settles, which are limits."""
        names = {field.name for field in dataclasses.fields(self)} - _LIMITS
        return dataclasses.replace(self, **{name: getattr(self, name) * time_scale for name in names})


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is run; `timeline` counts from the end of warm-up.

    `shape` is what the load does after the climb of warm-up, such as a spike or a
    staircase, before it goes on at its one rate. `must_observe` is what must have been seen for a pass to mean
    anything, `abort_if` what ends a run early. `profile` is the table of the profile that it came from, empty for
    one that is written in code; what that says of the budget, no target file overrides. `time_scale` is what all
    times have been multiplied by.
    """

    name: str
    load: LoadSettings
    phases: Phases = field(default_factory=Phases)
    timeline: tuple[TimelineEntry, ...] = ()
    shape: tuple[Stage, ...] = ()
    budget: Budget = field(default_factory=Budget)
    must_observe: tuple[Observation, ...] = ()
    abort_if: tuple[Abort, ...] = ()
    profile: Mapping[str, object] = field(default_factory=dict)
    time_scale: float = 1.0

    def __post_init__(self) -> None:
        """Raise ValueError for a timeline that contradicts itself or outlasts its phase."""
        _ = expand(self.timeline, seed=0)
        # A microsecond more is what scaling may have rounded.
        if last_heal_s(self.timeline) > self.phases.faults_s + 1e-6:
            raise ValueError(f"{self.name}: the last fault heals after the fault phase of {self.phases.faults_s} s")

    def scaled(self, time_scale: float) -> Scenario:
        """Return the scenario with its phases and fault times `time_scale` times as written; rates and budgets stay.

        A recorded one was written at a time scale of its own, and at that scale is returned as it is.
        """
        factor = time_scale / self.time_scale
        timeline = tuple(entry.scaled(factor) for entry in self.timeline)
        shape = tuple(stage.stretched(factor) for stage in self.shape)
        phases = self.phases.scaled(factor)
        return dataclasses.replace(self, phases=phases, timeline=timeline, shape=shape, time_scale=time_scale)

    def overridden(
        self,
        source: str,
        *,
        load: LoadTable,
        operations: DeclaredOperations,
        budget: Budget,
    ) -> Scenario:
        """Return the scenario with a target file's `[load]`, `[operations]` and `[budget]` applied.

        What a profile says of its budget stays: it knows its incident better than a target can.
        Raises an ExceptionGroup of every InputError in them.
        """
        own = cast("Mapping[str, object]", self.profile.get("budget", {}))
        kept = budget.over(self.budget).override(self.name, own)
        return dataclasses.replace(self, load=override(self.load, source, load, operations), budget=kept)

    def stages(self) -> tuple[Stage, ...]:
        """Return the load: gentle while steady state is proved, a climb, the shape, then one rate to the end."""
        rate_per_s = self.load.rate_per_s
        gentle = rate_per_s * _GENTLE
        climb_s = self.phases.warm_up_s / 3
        # Proving and healing take time of their own, so the plateau has no end of its own; the run ends it.
        plateau_s = 10 * (self.phases.warm_up_s + self.phases.faults_s + self.phases.hold_s)
        climb = constant(gentle, self.phases.steady_s), Ramp(gentle, rate_per_s, climb_s)
        return *climb, *self.shape, constant(rate_per_s, plateau_s)

    def planned(self, seed: int) -> list[Planned]:
        """Return the fault schedule in seconds from the end of warm-up, as drawn from the run's seed."""
        return expand(self.timeline, seed=seed)


class Play(Protocol):
    """What suites are handed: plays a scenario through the one path and returns its decision.

    `defects` are texts `NAME` or `NAME:VALUE`: bugs to plant beside those of the command line.
    """

    def __call__(self, scenario: Scenario, *, defects: tuple[str, ...] = ()) -> Decision:
        """Play `scenario` to its verdict."""
