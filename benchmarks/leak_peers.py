"""The leak rules that ours is held against: the ones people use first.

Each sees what ours sees and knows two answers only, so that what it does not
call a leak it passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, linregress, theilslopes

from harness.verdict import Verdict

Floats = NDArray[np.float64]
Rule = Callable[[Floats, Floats, float], Verdict]

# All pairs of a raw series are gigabytes; so many points keep its shape.
_POINTS = 120


def line_fit(x: Floats, y: Floats, budget: float) -> Verdict:
    """Judge by least squares: a slope beyond the budget whose line explains 80 % of the variance."""
    fit = linregress(x, y)
    return _leak(fit.slope > budget and fit.rvalue**2 > 0.8)


def mann_kendall(x: Floats, y: Floats, budget: float) -> Verdict:
    """Judge by Mann-Kendall and Sen: a trend at p < 0.05 whose median slope is beyond the budget."""
    kept = np.unique(np.linspace(0, len(x) - 1, _POINTS).astype(int))
    trend = kendalltau(x[kept], y[kept])
    return _leak(trend.pvalue < 0.05 and theilslopes(y[kept], x[kept])[0] > budget)


def _leak(found: bool) -> Verdict:  # noqa: FBT001 - named by the function
    return Verdict.FAIL if found else Verdict.PASS


PEERS: Mapping[str, Rule] = {"least squares, R2 > 0.8": line_fit, "Mann-Kendall + Sen": mann_kendall}
