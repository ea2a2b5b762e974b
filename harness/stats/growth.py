"""Rules without statistics of their own: how much a gauge may grow over a run, hold at all, or grow in its second half.

These are limits that people agree on; the leak verdict is what a short run can
decide. An hour within its limit says nothing of a rule about a day, so each is
INCONCLUSIVE where the run was too short for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.stats.floor import MIN_BLOCKS, MIN_SAMPLES, Measured, lower_envelope, measure
from harness.verdict import Verdict

Floats = NDArray[np.float64]

# Growth is from the lowest of the first tenth to that of the last.
_ENDS = 0.1
_WHOLE = 0.95


@dataclass(frozen=True, slots=True)
class GrowthDecision:
    """A decided rule: what was `observed`, in the unit of its limit, with a 95 % `half_width` where it is a slope."""

    verdict: Verdict
    observed: float
    reason: str
    half_width: float = 0.0


def decide_growth(x: Floats, y: Floats, *, limit: float, over: float = 0.0, peak: bool = False) -> GrowthDecision:
    """Decide whether `y` grew by at most `limit` over the run.

    Shapes (n,), `x` ascending, warm-up left out. From the floor of the first
    tenth of `x` to that of the last, or with `peak` to the highest point: what
    a spike may take. `over` is the length of run that the limit speaks of, in
    units of `x`; a shorter run that grew less is INCONCLUSIVE.
    """
    if len(x) < 2 or x[-1] <= x[0]:
        return GrowthDecision(Verdict.INCONCLUSIVE, math.nan, f"{len(x)} samples")
    span = float(x[-1] - x[0])
    before = float(y[x <= x[0] + _ENDS * span].min())
    after = float(y.max() if peak else y[x >= x[-1] - _ENDS * span].min())
    grown = after - before
    if not grown <= limit:
        verdict = Verdict.INCONCLUSIVE if math.isnan(grown) else Verdict.FAIL
        return GrowthDecision(verdict, grown, "samples without a number" if math.isnan(grown) else "beyond the limit")
    if span < _WHOLE * over:
        return GrowthDecision(Verdict.INCONCLUSIVE, grown, "undecided: shorter than the limit is for")
    return GrowthDecision(Verdict.PASS, grown, "within the limit")


def decide_ceiling(y: Floats, *, limit: float) -> GrowthDecision:
    """Decide whether `y`, shape (n,), was at most `limit` in every sample, warm-up and faults included."""
    if len(y) == 0 or np.isnan(y).any():
        return GrowthDecision(
            Verdict.INCONCLUSIVE, math.nan, "no samples" if len(y) == 0 else "samples without a number"
        )
    most = float(y.max())
    if most > limit:
        return GrowthDecision(Verdict.FAIL, most, "above the ceiling")
    return GrowthDecision(Verdict.PASS, most, "below the ceiling")


def decide_second_half(x: Floats, y: Floats, *, budget: float, wander: float) -> GrowthDecision:
    """Decide whether `y` grew by less than `budget` for each unit of `x` in the second half of the run.

    Shapes (n,), `x` ascending. What began the run has settled by then, so no
    more is trimmed. PASS when the whole interval of the slope and the growth
    itself are below the budget, FAIL when the whole interval is not.
    """
    half = x >= (x[0] + x[-1]) / 2 if len(x) else np.zeros(0, dtype=np.bool_)
    late_x, late_y = x[half], y[half]
    if len(late_x) < MIN_SAMPLES or late_x[-1] <= late_x[0]:
        return GrowthDecision(Verdict.INCONCLUSIVE, math.nan, f"{len(late_x)} samples, {MIN_SAMPLES} needed", math.inf)
    floor_x, floor_y = lower_envelope(late_x, late_y)
    if len(floor_x) < MIN_BLOCKS:
        return GrowthDecision(
            Verdict.INCONCLUSIVE, math.nan, f"samples in {len(floor_x)} parts of the run, {MIN_BLOCKS} needed", math.inf
        )
    measured = measure(floor_x, floor_y, wander)
    within = floor_y[-1] - floor_y[0] < budget * (floor_x[-1] - floor_x[0])
    return _judged(measured, budget, within=bool(within))


def _judged(measured: Measured, budget: float, *, within: bool) -> GrowthDecision:
    slope, half_width, _ = measured
    if within and slope + half_width < budget:
        return GrowthDecision(Verdict.PASS, slope, "below the budget", half_width)
    if slope - half_width >= budget:
        return GrowthDecision(Verdict.FAIL, slope, "beyond the budget", half_width)
    return GrowthDecision(Verdict.INCONCLUSIVE, slope, "undecided", half_width)
