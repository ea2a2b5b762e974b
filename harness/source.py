"""A run's journal and its calm, as the checks of any series ask for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.evidence import Evidence
from harness.journal import Buckets, JournalReader
from harness.limits import When
from harness.series import Floats


@dataclass(frozen=True, slots=True)
class RunSource:
    """Satisfies `harness.checks.sampled.SeriesSource` for one run; the journal must stay open."""

    journal: JournalReader
    evidence: Evidence

    def names(self) -> Collection[str]:
        """Return the names of all series."""
        return self.journal.series_names()

    def buckets(self, name: str) -> Buckets:
        """Return one series, empty where there is none of that name."""
        return self.journal.buckets(name)

    def mask(self, t_s: Floats, when: When) -> NDArray[np.bool_]:
        """Return which of the buckets that end at `t_s`, shape (k,), lie in that part of the run."""
        if when is When.ALL:
            return np.ones(len(t_s), dtype=np.bool_)
        return self.evidence.calm[np.searchsorted(self.evidence.series.t_s, t_s)]

    def requests(self, t_s: Floats) -> Floats:
        """Return how many requests had ended by each of `t_s`."""
        return self.evidence.requests[np.searchsorted(self.evidence.series.t_s, t_s)]

    def restarts_s(self, name: str) -> Sequence[float]:
        """Return when that which the series is of was started anew."""
        return self.evidence.restarts_s(name.split(".")[1])
