"""A run's journal as the judges need it: client windows, and gauges against requests.

The journal is read once, after the run; what the judges get are plain arrays,
so that they know nothing of how a run is kept. A long run's older ticks come
as cells of many; what is said here of a tick holds for a cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from harness.journal import Buckets, JournalReader
from harness.records import OWN_DOING, Outcome
from harness.stats.recovery import ReplyWindow

Floats = NDArray[np.float64]

# The kinds of series that are of a service; the others are of the load, or of the harness itself.
SERVICE_KINDS = ("process", "container", "runtime", "witness", "log")
_OUTCOMES = frozenset(str(outcome) for outcome in Outcome)
_MEMORY = {("process", "rss_bytes"), ("container", "memory_bytes")}
_PROCESSES = {("process", "children"), ("container", "pids")}
_PASS = "sampler.all.pass_s"


class GaugeName(NamedTuple):
    """What one series is of; as text it is the series' name."""

    kind: str
    subject: str
    figure: str

    def __str__(self) -> str:
        return ".".join(self)


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure of one service, its lowest, highest and last in each tick: shapes (n,), NaN where missing."""

    low: Floats
    high: Floats
    last: Floats


@dataclass(frozen=True, slots=True)
class RunSeries:
    """Everything by tick: shapes are (n,) over `t_s`, the end of each tick in seconds since the epoch.

    `outcomes` counts requests by (operation, outcome); `latency_s` is the p95 of
    all response times, `median_s` their p50, and `lag_s` the p95 of the generator's
    own lateness, NaN in a tick without a reply; `gauges` are what the probes
    measured, and `sampled` the ticks in which they did; `machine` is the share of all
    cores that was busy, NaN where not measured.
    """

    t_s: Floats
    outcomes: Mapping[tuple[str, str], Floats]
    latency_s: Floats
    lag_s: Floats
    gauges: Mapping[GaugeName, Gauge] = field(default_factory=dict)
    sampled: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    median_s: Floats = field(default_factory=lambda: np.zeros(0))
    machine: Floats = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def read(cls, journal: JournalReader) -> Self:
        """Read a run's journal."""
        t_s = journal.ticks()
        outcomes: dict[tuple[str, str], Floats] = {}
        gauges: dict[GaugeName, Gauge] = {}
        names = journal.series_names()
        for name in names:
            gauge = GaugeName(*[*name.split(".", 2), "", ""][:3])
            if gauge.kind == "load" and gauge.figure in _OUTCOMES:
                cells = journal.buckets(name)
                outcomes[gauge.subject, gauge.figure] = np.nan_to_num(_aligned(cells, cells.mean * cells.n, t_s))
            elif gauge.kind in SERVICE_KINDS:
                cells = journal.buckets(name)
                gauges[gauge] = Gauge(*(_aligned(cells, part, t_s) for part in (cells.low, cells.high, cells.last)))
        passes = mean_on_ticks(journal, _PASS, t_s)
        return cls(
            t_s,
            outcomes,
            mean_on_ticks(journal, "load.all.response_s_p95", t_s),
            mean_on_ticks(journal, "generator.lag_s_p95", t_s),
            gauges,
            ~np.isnan(passes) if _PASS in names else np.ones(len(t_s), dtype=np.bool_),
            mean_on_ticks(journal, "load.all.response_s_p50", t_s),
            mean_on_ticks(journal, "machine.all.cpu_fraction", t_s),
        )

    @property
    def memory(self) -> Mapping[str, Gauge]:
        """Each service's memory, in bytes."""
        return {name.subject: gauge for name, gauge in self.gauges.items() if (name.kind, name.figure) in _MEMORY}

    @property
    def processes(self) -> Mapping[str, Gauge]:
        """How many processes (in a container: threads too) each service has besides its first."""
        return {name.subject: gauge for name, gauge in self.gauges.items() if (name.kind, name.figure) in _PROCESSES}

    def count(self, *outcomes: Outcome, operation: str | None = None) -> Floats:
        """Return how many requests ended in each tick with one of `outcomes` (none given: with any of the system's)."""
        wanted = set(outcomes) or set(Outcome) - OWN_DOING
        total = np.zeros_like(self.t_s)
        for (name, outcome), counts in self.outcomes.items():
            if outcome in wanted and operation in {None, name}:
                total = total + counts
        return total

    def sent(self) -> Floats:
        """Return how many requests ended in each tick that were sent to the system, cancelled ones too."""
        return self.count() + self.count(Outcome.CANCELLED)

    def windows(self) -> list[ReplyWindow]:
        """Return the client windows, one a tick."""
        begins = self._begins()
        replies, good = self.count(), self.count(Outcome.OK)
        return [
            ReplyWindow(float(b), float(e), int(r), int(g), None if np.isnan(latency) else float(latency))
            for b, e, r, g, latency in zip(begins, self.t_s, replies, good, self.latency_s, strict=True)
        ]

    def outside(self, spans: Iterable[tuple[float, float]], *, since_s: float, until_s: float) -> NDArray[np.bool_]:
        """Return the mask of ticks from `since_s` to `until_s` that no span touches."""
        begins = self._begins()
        mask = (begins >= since_s) & (self.t_s <= until_s)
        for begin_s, end_s in spans:
            mask &= (self.t_s <= begin_s) | (begins >= end_s)
        return mask

    def _begins(self) -> Floats:
        return np.concatenate([[0.0], self.t_s])[:-1]


def mean_on_ticks(journal: JournalReader, name: str, t_s: Floats) -> Floats:
    """Return a series' means on the run's ticks, shape (n,), NaN where it has none."""
    cells = journal.buckets(name)
    return _aligned(cells, cells.mean, t_s)


def _aligned(cells: Buckets, values: Floats, t_s: Floats) -> Floats:
    """Return a series' values on the run's ticks, NaN where it has none."""
    aligned = np.full(len(t_s), np.nan)
    aligned[np.searchsorted(t_s, cells.t_s)] = values
    return aligned
