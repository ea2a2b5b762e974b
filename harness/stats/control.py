"""Does load make a gauge grow more than no load does? The same gauge, both ways.

A process that grows while idle has a leak that no request causes, and a
measurement under load alone cannot tell the two apart. So what the load adds is
judged: the difference of two slopes, with the uncertainty of both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.stats.floor import MIN_BLOCKS, MIN_SAMPLES, Measured, lower_envelope, settle
from harness.stats.leak import certain
from harness.verdict import Verdict

Floats = NDArray[np.float64]
Stretch = tuple[Floats, Floats]


@dataclass(frozen=True, slots=True)
class Excess:
    """What load adds to a gauge's growth: `slope` and 95 % `half_width`, beside the `idle` slope and the `loaded`."""

    verdict: Verdict
    slope: float
    half_width: float
    idle: float
    loaded: float
    reason: str


def decide_excess(idle: Stretch, loaded: Stretch, *, budget: float, wander: float) -> Excess:
    """Decide whether a gauge grows with load by `budget` more for each unit of time than it does without.

    Each stretch is (x, y), shapes (n,), `x` in hours, ascending, warm-up left
    out; they may differ in length. PASS when the whole interval of the excess
    is below the budget, FAIL when it is surely growth and of the budget's size,
    by the limits of the leak verdict.
    """
    before, during = _measured(*idle, wander), _measured(*loaded, wander)
    if before is None or during is None:
        name = "without load" if before is None else "under load"
        return Excess(Verdict.INCONCLUSIVE, math.nan, math.inf, math.nan, math.nan, f"too few samples {name}")
    slope = during.slope - before.slope
    half_width = math.hypot(during.half_width, before.half_width)
    verdict, reason = Verdict.INCONCLUSIVE, "undecided"
    if slope + half_width < budget:
        verdict, reason = Verdict.PASS, "load adds less than the budget"
    elif not during.settled:
        reason = "undecided: growth under load has not settled"
    elif certain(slope, half_width, budget):
        verdict, reason = Verdict.FAIL, "load adds steady growth"
    return Excess(verdict, slope, half_width, before.slope, during.slope, reason)


def _measured(x: Floats, y: Floats, wander: float) -> Measured | None:
    if len(x) < MIN_SAMPLES or x[-1] <= x[0]:
        return None
    floor_x, floor_y = lower_envelope(x, y)
    return settle(floor_x, floor_y, wander) if len(floor_x) >= MIN_BLOCKS else None
