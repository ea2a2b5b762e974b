"""The tiers of suites: how long each phase lasts, how often faults come and at what rate, a row of tiers.toml each."""

from __future__ import annotations

from pathlib import Path

from chaos.profile import Phases
from harness.errors import InputError
from harness.tables import PositiveDuration, PositiveRate, Table, Text, read, read_toml

FILE = Path(__file__).with_name("tiers.toml")


class Tier(Table):
    """One row; phases that it leaves out last as long as usual."""

    takes: Text
    """How long a run takes, for the lists of suites."""
    rate_per_s: PositiveRate
    """Requests that begin each second."""
    test: Text | None = None
    """The suite's test that the tier plays, if there is none of its name."""
    faults_every_s: PositiveDuration = 60.0
    """How often the suite's round of faults is repeated while the fault phase lasts."""
    steady_s: PositiveDuration = 10.0
    """How long steady state is proved."""
    warm_up_s: PositiveDuration = 30.0
    """How long the system warms up."""
    faults_s: PositiveDuration = 60.0
    """How long the phase of faults lasts."""
    hold_s: PositiveDuration = 30.0
    """How long the load goes on after it."""
    drain_s: PositiveDuration = 10.0
    """How long requests in flight may take to end."""

    def phases(self) -> Phases:
        """Return how long each phase lasts."""
        return Phases(
            steady_s=self.steady_s,
            warm_up_s=self.warm_up_s,
            faults_s=self.faults_s,
            hold_s=self.hold_s,
            drain_s=self.drain_s,
        )

    def rounds_s(self) -> list[float]:
        """Return when each round of faults begins, in seconds from the end of warm-up."""
        return [number * self.faults_every_s for number in range(int(self.faults_s / self.faults_every_s + 1e-6))]


def read_tier(name: str, file: Path = FILE) -> Tier:
    """Return a tier. Raises InputError when there is none of that name, and ExceptionGroup for each rule it breaks."""
    rows = read_toml(file)
    row = rows.get(name)
    if not isinstance(row, dict):
        raise InputError("command line", "--tier", name, f"must be one of {', '.join(rows)}, the tiers of {file.name}")
    return read(Tier, str(file), row, where=name)
