"""A run's journal as the judges need it: client windows, and gauges against requests.

The journal is read once, after the run; what the judges get are plain arrays,
so that they know nothing of how a run is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from harness.journal import JournalReader
from harness.records import Outcome
from harness.stats.recovery import Window

Floats = NDArray[np.float64]

_OUTCOMES = frozenset(str(outcome) for outcome in Outcome)


@dataclass(frozen=True, slots=True)
class RunSeries:
    """Everything by tick: shapes are (n,) over `t_s`, the end of each tick in seconds since the epoch.

    `outcomes` counts requests by (operation, outcome); `latency_s` is the p95 of
    all response times and `lag_s` the p95 of the generator's own lateness, NaN
    in a tick without a reply; `memory` is each service's, in bytes, and `processes`
    how many processes held it, NaN where missing.
    """

    t_s: Floats
    outcomes: Mapping[tuple[str, str], Floats]
    latency_s: Floats
    lag_s: Floats
    memory: Mapping[str, Floats]
    processes: Mapping[str, Floats]

    @classmethod
    def read(cls, journal: JournalReader) -> Self:
        """Read a run's journal."""
        t_s = journal.series("generator.rss_bytes")[0]
        outcomes: dict[tuple[str, str], Floats] = {}
        memory: dict[str, Floats] = {}
        processes: dict[str, Floats] = {}
        for name in journal.series_names():
            kind, subject, figure = [*name.split(".", 2), "", ""][:3]
            if kind == "load" and figure in _OUTCOMES:
                outcomes[subject, figure] = np.nan_to_num(_aligned(journal, name, t_s))
            elif (kind, figure) in {("process", "rss_bytes"), ("container", "memory_bytes")}:
                memory[subject] = _aligned(journal, name, t_s)
            elif (kind, figure) in {("process", "children"), ("container", "pids")}:
                processes[subject] = _aligned(journal, name, t_s)
        return cls(
            t_s,
            outcomes,
            _aligned(journal, "load.all.response_s_p95", t_s),
            _aligned(journal, "generator.lag_s_p95", t_s),
            memory,
            processes,
        )

    def count(self, *outcomes: Outcome, operation: str | None = None) -> Floats:
        """Return how many requests ended in each tick with one of `outcomes` (none given: any but dropped)."""
        wanted = set(outcomes) or set(Outcome) - {Outcome.DROPPED}
        total = np.zeros_like(self.t_s)
        for (name, outcome), counts in self.outcomes.items():
            if outcome in wanted and operation in {None, name}:
                total = total + counts
        return total

    def windows(self) -> list[Window]:
        """Return the client windows, one a tick."""
        begins = self._begins()
        replies, good = self.count(), self.count(Outcome.OK)
        return [
            Window(float(b), float(e), int(r), int(g), None if np.isnan(latency) else float(latency))
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


def _aligned(journal: JournalReader, name: str, t_s: Floats) -> Floats:
    """Return a series on the run's ticks, NaN where it has no value."""
    own_t_s, values = journal.series(name)
    aligned = np.full(len(t_s), np.nan)
    aligned[np.searchsorted(t_s, own_t_s)] = values
    return aligned
