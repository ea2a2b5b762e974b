"""Does a gauge grow without end? One procedure for every gauge, three-valued.

A gauge of a healthy process wanders, saws and settles, so a line through all
samples misleads. We follow the floor: the minimum of each of twenty blocks,
a robust slope through those, and an interval as wide as a short run makes it.
A leak smaller than that is INCONCLUSIVE, never PASS.

The abscissa is hours or cumulative requests; short runs decide by requests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.stats.floor import MIN_BLOCKS, MIN_SAMPLES, TRIMS, Measured, lower_envelope, measure, trimmed
from harness.verdict import Verdict

Floats = NDArray[np.float64]

# A leak of this many half-widths was found in 94-100 % of simulated series.
_DETECTABLE = 2.5
# A leak is called at this share of the budget, if growth is surely more than that one.
_LEAK, _SURELY = 0.75, 0.2
WARN, FAIL = 0.5, 0.8
# Where the score of what is not a FAIL ends.
_WARN_MAX = 0.79


@dataclass(frozen=True, slots=True)
class Leak:
    """A decided gauge.

    `slope` and its 95 % `half_width` are in the gauge's unit for each unit of
    the abscissa; `span` is the stretch of the abscissa that they are of, and
    `growth`, in the gauge's unit, is what the floor grew by from the first trim
    to the end. `score` is that of `leak_score`, NaN where nothing was measured.
    """

    verdict: Verdict
    slope: float
    half_width: float
    reason: str
    score: float = math.nan
    span: float = math.nan
    growth: float = math.nan

    @property
    def detectable(self) -> float:
        """The smallest leak that this series could have shown."""
        return _DETECTABLE * self.half_width

    def needed(self, budget: float) -> float:
        """Return how long a run like this one would decide about `budget`, in units of the abscissa, warm-up aside."""
        return needed(budget, self.half_width * self.span)


def needed(budget: float, hidden: float) -> float:
    """Return how long a run must be to decide about `budget`: 2.5 x hidden / (0.8 x budget), hours or requests.

    `hidden` is the growth, in the gauge's unit, that may hide in such a run:
    before it the gauge's wander, after it `half_width * span`, which is taken
    not to grow with the run. For less, the smallest detectable leak is more
    than the budget. 0.8 is what the first trim leaves. NaN where nothing was
    measured.
    """
    return _DETECTABLE * hidden / ((1 - TRIMS[0]) * budget)


def decide_leak(x: Floats, y: Floats, *, budget: float, wander: float) -> Leak:
    """Decide whether `y` leaks along `x`.

    Both have shape (n,), `x` ascending at any distances: where cells of a
    long run were rolled up, `y` is the lowest of each. `budget` is the growth
    allowed for each unit of `x`; `wander` the growth, in units of `y`, that a
    healthy process shows for reasons the run cannot see. The caller has cut out
    fault windows and warm-up, and does not call for a series with a restart in
    it. Raises ValueError for a budget of nothing or a wander below it.
    """
    if not (budget > 0 and wander >= 0):
        raise ValueError(f"budget {budget} must be more than 0, wander {wander} at least 0")
    if len(x) < MIN_SAMPLES or x[-1] <= x[0]:
        return Leak(Verdict.INCONCLUSIVE, math.nan, math.inf, f"{len(x)} samples, {MIN_SAMPLES} needed")
    floor_x, floor_y = lower_envelope(x, y)
    if len(floor_x) < MIN_BLOCKS:
        reason = f"samples in {len(floor_x)} parts of the run, {MIN_BLOCKS} needed"
        return Leak(Verdict.INCONCLUSIVE, math.nan, math.inf, reason)
    first = trimmed(floor_x, TRIMS[0])
    growth = float(floor_y[-1] - floor_y[first])
    within = growth < budget * (floor_x[-1] - floor_x[first])
    for trim in TRIMS:
        cut = trimmed(floor_x, trim)
        measured = measure(floor_x[cut:], floor_y[cut:], wander)
        passes = within and measured.slope + measured.half_width < budget
        if passes or measured.settled:
            break
    verdict, reason = Verdict.PASS, "below the budget"
    if not passes:
        rises = _ratchets(floor_x[first:], floor_y[first:], budget, wander)
        verdict, reason = _without_pass(measured, budget, ratchets=rises)
    score = leak_score(verdict, measured.slope, measured.half_width, budget)
    span = float(floor_x[-1] - floor_x[cut])
    return Leak(verdict, measured.slope, measured.half_width, reason, score, span, growth)


def _without_pass(measured: Measured, budget: float, *, ratchets: bool) -> tuple[Verdict, str]:
    """Return verdict and reason of what does not keep the budget for sure."""
    if measured.settled and certain(measured.slope, measured.half_width, budget):
        return Verdict.FAIL, "steady growth"
    if ratchets:
        return Verdict.FAIL, "the floor rises in every third of the run"
    return Verdict.INCONCLUSIVE, "undecided" if measured.settled else "undecided: growth has not settled"


def certain(slope: float, half_width: float, budget: float) -> bool:
    """Return whether growth is certain, the least of it a fifth of the budget, and of the budget's size."""
    return slope - half_width > _SURELY * budget and slope >= _LEAK * budget


def leak_score(verdict: Verdict, slope: float, half_width: float, budget: float) -> float:
    """Return the leak score, 0 to 1: from 0.8 a leak, from 0.5 a warning, below that neither.

    With b the budget, s the slope, u its half-width, and w = max(b, u / 2), at
    which growth is beyond the budget and likely (a normal estimate at u / 2 is
    above none 5 times in 6):

        FAIL               0.8 + 0.2 x (1 - 0.2 b / (s - u)), at least 0.8
        else, s < w        0.5 x s / w, at least 0
        else               0.5 + 0.29 x (s - w) / (f - w), at most 0.79

    f = max(u + 0.2 b, 2 w) is where steady growth would be established. What
    passes has s + u < b, and so a score below 0.5. NaN for a slope of NaN.
    """
    if math.isnan(slope):
        return math.nan
    if verdict is Verdict.FAIL:
        sure = max(slope - half_width, _SURELY * budget)
        return FAIL + (1 - FAIL) * (1 - _SURELY * budget / sure)
    warns = max(budget, half_width / 2)
    if slope < warns:
        return WARN * max(slope, 0.0) / warns
    established = max(half_width + _SURELY * budget, 2 * warns)
    return WARN + (_WARN_MAX - WARN) * min((slope - warns) / (established - warns), 1.0)


def _ratchets(x: Floats, floor: Floats, budget: float, wander: float) -> bool:
    """Return whether the floor of every third lies above the one before.

    Each rise must be beyond `wander` and 40 % of all, which is no leak either where the budget allows it.
    """
    lowest = [third[np.argmin(floor[third])] for third in np.array_split(np.arange(len(floor)), 3)]
    low = floor[lowest]
    rises = np.diff(low)
    all_of_it = float(low[2] - low[0])
    allowed = _LEAK * budget * float(x[lowest[2]] - x[lowest[0]])
    return bool(rises.min() >= wander and rises.min() >= 0.4 * all_of_it and all_of_it >= allowed)
