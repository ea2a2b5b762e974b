"""A run's journal and its calm, as the checks of any series ask for them."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.criteria.limits import When
from harness.journal import Buckets, JournalReader
from harness.judging.evidence import Evidence
from harness.judging.series import Floats


@dataclass(frozen=True, slots=True)
class RunSource:
    """Satisfies `harness.judging.checks.sampled.SeriesSource` for one run; the journal must stay open."""

    journal: JournalReader
    evidence: Evidence

    def names(self) -> Collection[str]:
        """Return the names of all series."""
        return self.journal.series_names()

    def buckets(self, name: str) -> Buckets:
        """Return one series, empty where there is none of that name."""
        return self.journal.buckets(name)

    def mask(self, t_s: Floats, when: When) -> NDArray[np.bool_]:
        """Return which of the buckets that end at `t_s`, or moments, shape (k,), lie in that part of the run."""
        ticks_s = self.evidence.series.t_s
        if when is When.ALL or not len(ticks_s):
            return np.full(len(t_s), when is When.ALL)
        # What was noted while the last tick was written belongs to it.
        inside: NDArray[np.bool_] = self._ticks(when)[np.searchsorted(ticks_s, np.minimum(t_s, ticks_s[-1]))]
        return inside

    def _ticks(self, when: When) -> NDArray[np.bool_]:
        """Return which of the run's ticks, shape (n,), lie in a part of it; one that a fault touches was not healed."""
        evidence, series = self.evidence, self.evidence.series
        if when is When.CALM:
            return evidence.calm
        if when is When.WARM:
            return series.outside((), since_s=evidence.warm_s, until_s=evidence.load_end_s)
        broken = [(f.injected_s, evidence.load_end_s if f.healed_s is None else f.healed_s) for f in evidence.faults]
        if when is When.FAULTED:
            return ~series.outside(broken, since_s=-math.inf, until_s=math.inf)
        healed_s = min((f.healed_s for f in evidence.faults if f.healed_s is not None), default=math.inf)
        return series.outside(broken, since_s=healed_s, until_s=evidence.load_end_s)

    def requests(self, t_s: Floats) -> Floats:
        """Return how many requests had ended by each of `t_s`."""
        return self.evidence.requests[np.searchsorted(self.evidence.series.t_s, t_s)]

    def restarts_s(self, name: str) -> Sequence[float]:
        """Return when the process that the series is of was restarted."""
        return self.evidence.restarts_s(name.split(".")[1])
