"""A run's series without a journal: values by tick, as they were sampled or rolled up."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from hypothesis import settings
from numpy.typing import NDArray

from harness.criteria.limits import When
from harness.journal import Buckets
from harness.judging.checks.sampled import Floats

# A machine that others keep busy is no failure.
PATIENT = settings(max_examples=50, deadline=None)
TICKS = "load.all.offered"
EMPTY = Buckets(*(np.empty(0) for _ in range(6)))  # type: ignore[arg-type] # of nothing, n is as good as any


def ticks(values: Iterable[float]) -> Buckets:
    """Return a series of one value a second, that of second n at n + 1; NaN is no value."""
    every = np.array(list(values), dtype=np.float64)
    seen = ~np.isnan(every)
    y = every[seen]
    return Buckets(np.arange(1.0, len(every) + 1)[seen], np.ones(len(y), dtype=np.int64), y, y, y, y)


def rolled(values: Sequence[float], width: int) -> Buckets:
    """Return the same as `ticks` in cells of `width` seconds."""
    cells = [np.array(values[n : n + width], dtype=np.float64) for n in range(0, len(values), width)]
    seen = [(n, cell[~np.isnan(cell)]) for n, cell in enumerate(cells)]
    rows = [
        (min((n + 1) * width, len(values)), len(cell), cell.min(), cell.mean(), cell.max(), cell[-1])
        for n, cell in seen
        if len(cell)
    ]
    t_s, count, low, mean, high, last = np.array(rows, dtype=np.float64).reshape(len(rows), 6).T
    return Buckets(t_s, count.astype(np.int64), low, mean, high, last)


class Source:
    """A run that is calm but for the spans of `disturbed`, and serves `per_s` requests a second."""

    def __init__(
        self,
        series: Mapping[str, Buckets],
        *,
        ticks_at: Buckets | None = None,
        disturbed: Iterable[tuple[float, float]] = (),
        per_s: float = 100.0,
        restarts_s: Sequence[float] = (),
    ) -> None:
        longest = max(int(one.t_s[-1]) if len(one.t_s) else 0 for one in series.values())
        self._series = {TICKS: ticks_at or ticks([per_s] * longest), **series}
        self._disturbed = list(disturbed)
        self._per_s = per_s
        self._restarts_s = restarts_s

    def names(self) -> Collection[str]:
        return self._series.keys()

    def buckets(self, name: str) -> Buckets:
        return self._series.get(name, EMPTY)

    def mask(self, t_s: Floats, when: When) -> NDArray[np.bool_]:
        inside = np.ones(len(t_s), dtype=np.bool_)
        for begin_s, end_s in self._disturbed if when is When.CALM else ():
            inside &= (t_s <= begin_s) | (t_s > end_s)
        return inside

    def requests(self, t_s: Floats) -> Floats:
        return t_s * self._per_s

    def restarts_s(self, name: str) -> Sequence[float]:
        return self._restarts_s if name else ()
