"""Does a gauge grow for ever? One procedure for every gauge, three-valued.

A gauge of a healthy process wanders, saws and settles, so a line through all
samples misleads. We follow the floor: the minimum of each of twenty blocks,
a robust slope through those, and an interval that owns up to how little a
short run can see. A leak smaller than that is INCONCLUSIVE, never PASS.

The abscissa is hours or cumulative requests; short runs decide by requests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from harness.verdict import Verdict

Floats = NDArray[np.float64]

MIN_SAMPLES = 40
BLOCKS = 20
# Dropped from the front until growth has settled or proves small; the first share is always dropped.
_TRIMS = (0.20, 0.33, 0.50, 0.60)
# A leak of this many half-widths was found in 94-100 % of simulated series.
_DETECTABLE = 2.5


@dataclass(frozen=True, slots=True)
class Leak:
    """A decided gauge.

    `slope` and its 95 % `half_width` are in the gauge's unit for each unit of
    the abscissa, as is `detectable`, the smallest leak this series could show.
    """

    verdict: Verdict
    slope: float
    half_width: float
    reason: str

    @property
    def detectable(self) -> float:
        """The smallest leak that this series could have shown."""
        return _DETECTABLE * self.half_width


def decide_leak(x: Floats, y: Floats, *, budget: float, wander: float) -> Leak:
    """Decide whether `y` leaks along `x`.

    Both have shape (n,), `x` ascending. `budget` is the growth allowed for each
    unit of `x`; `wander` the growth, in units of `y`, that a healthy process
    shows for reasons the run cannot see. The caller has cut out fault windows
    and warm-up, and does not call for a series with a restart in it.
    """
    if len(x) < MIN_SAMPLES or x[-1] <= x[0]:
        return Leak(Verdict.INCONCLUSIVE, math.nan, math.inf, f"{len(x)} samples, needs {MIN_SAMPLES} under load")
    floor_x, floor_y = lower_envelope(x, y)
    first = int(BLOCKS * _TRIMS[0])
    span, growth = floor_x[-1] - floor_x[first], floor_y[-1] - floor_y[first]
    slope, half_width, settled = math.nan, math.inf, False
    for trim in _TRIMS:
        cut = int(BLOCKS * trim)
        slope, half_width, settled = _growth(floor_x[cut:], floor_y[cut:], wander)
        if slope + half_width < budget and growth < budget * span:
            return Leak(Verdict.PASS, slope, half_width, "growth is below the budget")
        if settled:
            break
    if settled and slope - half_width > 0.2 * budget and slope >= 0.75 * budget:
        return Leak(Verdict.FAIL, slope, half_width, "steady growth")
    if _ratchets(floor_y[first:], wander):
        return Leak(Verdict.FAIL, slope, half_width, "the floor rises in every third")
    reason = "this run cannot tell" if settled else "growth has not settled"
    return Leak(Verdict.INCONCLUSIVE, slope, half_width, reason)


def lower_envelope(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the lowest point of each of `BLOCKS` equal blocks, which takes GC sawtooth and short pulses away."""
    lowest = [block[np.argmin(y[block])] for block in np.array_split(np.arange(len(x)), BLOCKS)]
    return x[lowest], y[lowest]


def _growth(x: Floats, y: Floats, wander: float) -> tuple[float, float, bool]:
    """Return slope, half-width and whether growth has settled: the second half grows no slower than the first."""
    slope, noise = trend(x, y)
    half_width = math.hypot(noise, wander / (x[-1] - x[0]))
    middle = len(x) // 2
    early, early_noise = trend(x[: middle + 1], y[: middle + 1])
    late, late_noise = trend(x[middle:], y[middle:])
    slowing = early - late > math.hypot(early_noise, late_noise) or late < 0.65 * slope
    return slope, half_width, not slowing


def trend(x: Floats, y: Floats) -> tuple[float, float]:
    """Return the Theil-Sen slope of a few points and its 95 % half-width.

    The half-width follows Santer et al. (2000, J. Geophys. Res. 105, 7337):
    residuals (winsorised at 2 MAD) with an AR(1) effective sample size, the
    autocorrelation corrected for its small-sample bias. It is capped by that
    of a random walk with drift, which steps and slow waves need.
    """
    n = len(x)
    i, j = np.triu_indices(n, 1)
    slope = float(np.median((y[j] - y[i]) / (x[j] - x[i])))
    residuals = y - slope * x
    residuals = residuals - np.median(residuals)
    bound = 2 * 1.4826 * float(np.median(np.abs(residuals)))
    residuals = np.clip(residuals, -bound, bound)
    residuals = residuals - residuals.mean()
    return slope, min(_ar1_half_width(x, residuals), _random_walk_half_width(x, y))


def _ar1_half_width(x: Floats, residuals: Floats) -> float:
    n = len(x)
    power = float(residuals @ residuals)
    if power == 0:
        return 0.0
    r = float(residuals[1:] @ residuals[:-1]) / power
    r = min(max((r * n + 1) / max(n - 4, 1), 0.0), 0.99)
    effective = n * (1 - r) / (1 + r)
    if effective <= 3:
        return math.inf
    error = math.sqrt(power / (effective - 2) / float(np.sum((x - x.mean()) ** 2)))
    return float(stdtrit(effective - 2, 0.975)) * error


def _random_walk_half_width(x: Floats, y: Floats) -> float:
    steps = np.diff(y)
    if len(steps) < 2:
        return math.inf
    span = float(x[-1] - x[0])
    return float(stdtrit(len(steps) - 1, 0.975)) * float(steps.std(ddof=1)) * math.sqrt(len(steps)) / span


def _ratchets(floor: Floats, wander: float) -> bool:
    """Return whether the floor of every third lies above the one before, each rise beyond `wander` and 40 % of all."""
    low = [float(third.min()) for third in np.array_split(floor, 3)]
    rises = [low[1] - low[0], low[2] - low[1]]
    return min(rises) >= wander and min(rises) >= 0.4 * (low[2] - low[0])
