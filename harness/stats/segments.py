"""Which stretch of a gauge may be judged as one: the longest that nothing broke.

A restarted process starts from nothing, so growth across a restart says nothing
of either; nor does growth across a gap, in which nothing was measured.
Find the stretch first and cut out fault windows after, which leave holes that
are no gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def longest_stretch(
    t_s: Floats, *, restarts_s: Sequence[float] = (), gap_s: float = float("inf"), warm_up_s: float = 0.0
) -> slice:
    """Return the samples of the longest uninterrupted stretch, as a slice of `t_s`, shape (n,), ascending.

    A stretch ends at a restart, or where the next sample is more than `gap_s`
    later: give the longest step between cells that is still none. The first
    `warm_up_s` seconds after a restart are left out, for a new process warms up
    again. The longest is that of most seconds, the later of
    two as long; empty when there is none.
    """
    restarts = np.searchsorted(t_s, np.asarray(restarts_s, dtype=np.float64))
    gaps = np.flatnonzero(np.diff(t_s) > gap_s) + 1
    bounds = sorted({0, len(t_s), *map(int, restarts), *map(int, gaps)})
    longest, longest_s = slice(0, 0), -1.0
    for begin, end in pairwise(bounds):
        warm_s = max((at_s for at_s in restarts_s if at_s <= t_s[begin]), default=-np.inf) + warm_up_s
        first = max(begin, int(np.searchsorted(t_s, warm_s)))
        if first < end and t_s[end - 1] - t_s[first] >= longest_s:
            longest, longest_s = slice(first, end), float(t_s[end - 1] - t_s[first])
    return longest


def without_rotations(y: Floats) -> Floats:
    """Return what a gauge that only grows would be had it never been cut back; shapes (n,).

    Log files are rotated and pruned: each fall is one, and the last value
    before it is kept up from there on. What grew within that very step is lost.
    """
    falls = np.minimum(np.diff(y, prepend=y[:1]), 0.0)
    whole: Floats = y - np.cumsum(falls)
    return whole
