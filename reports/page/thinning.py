"""Which points of a long series a screen can show: in each stretch of time the lowest and the highest.

A pixel column shows one vertical stroke, from the lowest to the highest value
in it, so keeping those two keeps the picture; a mean would lose the very
spikes that a report is read for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

# About one stretch a pixel on a wide screen.
BUCKETS = 1000
# A silence this many times the usual step is drawn as a break, not bridged by a line without a measurement.
_GAP_STEPS = 5.0


def keep(t_s: Floats, values: Floats, *, buckets: int = BUCKETS) -> Indices:
    """Return the indices, ascending, of at most `2 * buckets + 2` points that draw the same picture.

    `t_s` ascends and has the shape of `values`, (n,). Both ends are kept, and the
    extremes of each of `buckets` equal stretches of time.
    """
    n = len(t_s)
    if n <= 2 * buckets:
        return np.arange(n)
    bucket = _buckets(t_s, buckets)
    order = np.lexsort((values, bucket))
    sorted_bucket = bucket[order]
    lowest = np.flatnonzero(np.diff(sorted_bucket, prepend=-1))
    highest = np.append(lowest[1:], n) - 1
    return np.unique(np.concatenate([order[lowest], order[highest], [0, n - 1]]))


def keep_together(t_s: Floats, columns: list[Floats], *, buckets: int = BUCKETS) -> Indices:
    """Return the indices that `keep` would choose for any of the columns: for values drawn on top of each other."""
    chosen = [keep(t_s, column, buckets=buckets) for column in columns]
    return np.unique(np.concatenate(chosen)) if chosen else np.arange(len(t_s))


def outline(t_s: Floats, values: Floats, *, buckets: int = BUCKETS) -> tuple[Floats, Floats]:
    """Return a line of at most `6 * buckets + 3` points to draw, broken by NaN where the series fell silent.

    A silence shorter than a stretch cannot be seen and breaks nothing. A point
    alone between two silences comes twice, so that it is drawn as a dot.
    """
    if len(t_s) < 2:
        return np.repeat(t_s, 2), np.repeat(values, 2)
    steps = np.diff(t_s)
    longest_s = max(_GAP_STEPS * float(np.median(steps)), float(t_s[-1] - t_s[0]) / buckets)
    before = np.flatnonzero(steps > longest_s)
    chosen = np.unique(np.concatenate([keep(t_s, values, buckets=buckets), before, before + 1]))
    parts = np.split(chosen, np.searchsorted(chosen, before + 1))
    pieces = [part if len(part) > 1 else np.repeat(part, 2) for part in parts]
    x, y = [t_s[pieces[0]]], [values[pieces[0]]]
    for piece in pieces[1:]:
        x += [[t_s[piece[0]]], t_s[piece]]
        y += [[np.nan], values[piece]]
    return np.concatenate(x), np.concatenate(y)


def _buckets(t_s: Floats, buckets: int) -> Indices:
    span_s = float(t_s[-1] - t_s[0]) or 1.0
    bucket: Indices = np.minimum((t_s - t_s[0]) / span_s * buckets, buckets - 1).astype(np.intp)
    return bucket
