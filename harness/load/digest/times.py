"""Durations as sparse HdrHistogram counts: what a tick's requests took, small enough to keep, ship and add up.

The cells are those of an HdrHistogram of 3 significant digits from 1 us to 5
min, so that adding two of these, and handing the sum to the library to write,
loses nothing more. Filling one is a few array operations for all durations of
a tick together, an order cheaper than one call for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

Cells = NDArray[np.int64]

# Microseconds, at 3 digits: finer than any clock here, longer than any deadline.
LOWEST, HIGHEST, DIGITS = 1, 300_000_000, 3
_NS_PER_US = 1000
_US = 1e-6
# 2^11 is the first power of two above 2 * 10^3: so many cells hold one digit more than three, at any magnitude.
_CELL_BITS = 11
_HALF_BITS = _CELL_BITS - 1


@dataclass(frozen=True, slots=True)
class Times:
    """How many durations fell into which cell: shapes (n,), `cells` ascending, `counts` above 0."""

    cells: Cells
    counts: Cells

    @classmethod
    def of_ns(cls, durations_ns: Sequence[int]) -> Self:
        """Count durations in nanoseconds, each cut to what a histogram can hold."""
        micros = np.clip(np.asarray(durations_ns, dtype=np.int64) // _NS_PER_US, LOWEST, HIGHEST)
        cells, counts = np.unique(_cell(micros), return_counts=True)
        return cls(cells, counts.astype(np.int64))

    @classmethod
    def sum(cls, parts: Iterable[Times]) -> Self:
        """Return all of them in one."""
        some = list(parts) or [cls(np.empty(0, np.int64), np.empty(0, np.int64))]
        if len(some) == 1:
            return cls(some[0].cells, some[0].counts)
        cells, places = np.unique(np.concatenate([part.cells for part in some]), return_inverse=True)
        counts = np.zeros(len(cells), np.int64)
        np.add.at(counts, places, np.concatenate([part.counts for part in some]))
        return cls(cells, counts)

    @property
    def total(self) -> int:
        """How many durations there are."""
        return int(self.counts.sum())

    def quantile_s(self, quantile: float) -> float:
        """Return the duration in seconds at a quantile from 0 to 1, as its cell's upper end; NaN if there is none.

        HdrHistogram's own definition: the rank is quantile times total, rounded, and at least the first.
        """
        if not len(self.cells):
            return float("nan")
        reached = np.cumsum(self.counts)
        wanted = max(1, int(quantile * reached[-1] + 0.5))
        return float(_highest(self.cells[np.searchsorted(reached, wanted)])) * _US

    def histogram(self) -> HdrHistogram:
        """Return the same as the library's histogram, in microseconds."""
        histogram = empty_histogram()
        for micros, count in zip(_lowest(self.cells).tolist(), self.counts.tolist(), strict=True):
            histogram.record_value(micros, count)
        return histogram


def empty_histogram() -> HdrHistogram:
    """Return a library histogram with these cells."""
    return HdrHistogram(LOWEST, HIGHEST, DIGITS)


def _magnitude(micros: Cells) -> Cells:
    """Return by how many bits a value is coarser than a microsecond."""
    bits = np.frexp((micros | (2**_CELL_BITS - 1)).astype(np.float64))[1].astype(np.int64)
    magnitude: Cells = bits - _CELL_BITS
    return magnitude


def _cell(micros: Cells) -> Cells:
    """Return each value's cell: the index that HdrHistogram gives it."""
    magnitude = _magnitude(micros)
    cells: Cells = ((magnitude + 1) << _HALF_BITS) + (micros >> magnitude) - 2**_HALF_BITS
    return cells


def _lowest(cells: Cells) -> Cells:
    """Return the lowest value of each cell."""
    magnitude = np.maximum((cells >> _HALF_BITS) - 1, 0)
    lowest: Cells = (cells - (magnitude << _HALF_BITS)) << magnitude
    return lowest


def _highest(cell: np.int64) -> int:
    """Return the highest value of one cell."""
    magnitude = max((int(cell) >> _HALF_BITS) - 1, 0)
    return ((int(cell) - (magnitude << _HALF_BITS) + 1) << magnitude) - 1
