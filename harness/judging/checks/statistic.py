"""What a part of a series comes to, as one number, and how much of the part that number is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from harness.criteria.limits import INCREASES, Statistic
from harness.judging.checks.sampled import Part


def value_of(part: Part, statistic: Statistic) -> float:
    """Return the statistic of a part that has a sample; per second, it is of the time that was seen."""
    return _VALUES[statistic](part)


def seen_of(part: Part, statistic: Statistic) -> float:
    """Return the share of the part, 0 to 1, that the statistic is of."""
    if statistic in INCREASES:
        return float(part.took_s.sum()) / part.lasted_s if part.lasted_s else 0.0
    return part.present


def _mean(part: Part) -> float:
    return _sum(part) / float(part.buckets.n.sum())


def _sum(part: Part) -> float:
    return float(part.buckets.mean @ part.buckets.n)


def _increase(part: Part) -> float:
    return float(part.gained.sum())


def _increase_per_s(part: Part) -> float:
    # Where no rise was seen within the part, it is one of nothing.
    return _increase(part) / max(float(part.took_s.sum()), part.every_s)


def _quantile(quantile: float, part: Part) -> float:
    """Return a quantile of the samples. Of a rolled-up bucket these are its lowest, its highest, and equal ones."""
    buckets = part.buckets
    between = np.maximum(buckets.n - 2, 0)
    rest = buckets.mean * buckets.n - buckets.low - buckets.high
    values = np.concatenate([buckets.low, buckets.high, rest / np.maximum(between, 1)])
    weights = np.concatenate([np.ones(len(between)), buckets.n > 1, between])
    return float(np.quantile(values, quantile, weights=weights, method="inverted_cdf"))


_VALUES: Mapping[Statistic, Callable[[Part], float]] = {
    Statistic.MIN: lambda part: float(part.buckets.low.min()),
    Statistic.MEAN: _mean,
    Statistic.MAX: lambda part: float(part.buckets.high.max()),
    Statistic.LAST: lambda part: float(part.buckets.last[-1]),
    Statistic.P50: partial(_quantile, 0.50),
    Statistic.P95: partial(_quantile, 0.95),
    Statistic.P99: partial(_quantile, 0.99),
    Statistic.SUM: _sum,
    Statistic.SUM_PER_S: lambda part: _mean(part) / part.every_s,
    Statistic.INCREASE: _increase,
    Statistic.INCREASE_PER_S: _increase_per_s,
}
