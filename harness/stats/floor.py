"""How the floor of a gauge grows: the lowest point of each block, a robust slope through those, and its interval.

Garbage collectors and short pulses lie above the floor. The interval is for few
and correlated points, so that it is as wide as a short run makes it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]

MIN_SAMPLES = 40
BLOCKS = 20
# Fewer would leave less than five behind the last trim.
MIN_BLOCKS = 12
# How often blocks may be halved to have enough with a sample in them, as when most of a run is one burst of requests.
_HALVINGS = 6
# Dropped from the front until growth has settled or proves small; the first share is always dropped.
TRIMS = (0.20, 0.33, 0.50, 0.60)
# Of so few steps, the correction for bias alone would make most series a wave.
_FEW_STEPS = 5


class Measured(NamedTuple):
    """A floor's slope, its 95 % half-width, and whether its second half grows no slower than its first."""

    slope: float
    half_width: float
    settled: bool


def trimmed(floor: Floats, trim: float) -> int:
    """Return how many points of a floor a trim drops."""
    return int(len(floor) * trim)


def lower_envelope(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the lowest point of each of `BLOCKS` blocks, which takes GC sawtooth and short pulses away.

    Blocks are equal stretches of `x`, not equal numbers of points, for a part
    of a run that was rolled up has few points and counts no less. One without a
    point, as where a fault was cut out, is left out; where that leaves less
    than `MIN_BLOCKS`, all are halved.
    """
    share = (x - x[0]) / (x[-1] - x[0])
    for halvings in range(_HALVINGS + 1):
        blocks = BLOCKS * 2**halvings
        begins = np.unique(np.searchsorted(share, np.arange(blocks) / blocks))
        if len(begins) >= MIN_BLOCKS:
            break
    lowest = [begin + np.argmin(y[begin:end]) for begin, end in zip(begins, [*begins[1:], len(x)], strict=True)]
    return x[lowest], y[lowest]


def measure(x: Floats, y: Floats, wander: float) -> Measured:
    """Return how a floor grows; what a healthy process may wander widens the interval."""
    slope, noise = trend(x, y)
    half_width = math.hypot(noise, wander / (x[-1] - x[0]))
    middle = len(x) // 2
    # A curve that bends has steps alike, too: taken for a wave, the bend would be missed.
    early, early_noise = trend(x[: middle + 1], y[: middle + 1], waves=False)
    late, late_noise = trend(x[middle:], y[middle:], waves=False)
    slowing = early - late > math.hypot(early_noise, late_noise) or late < 0.65 * slope
    return Measured(slope, half_width, settled=not (slope > 0 and slowing))


def settle(x: Floats, y: Floats, wander: float) -> Measured:
    """Return how a floor grows once it has settled; as it does last where it never does."""
    for trim in TRIMS:
        cut = trimmed(x, trim)
        measured = measure(x[cut:], y[cut:], wander)
        if measured.settled:
            break
    return measured


def trend(x: Floats, y: Floats, *, waves: bool = True) -> tuple[float, float]:
    """Return the Theil-Sen slope of a few points and its 95 % half-width.

    The half-width follows Santer et al. (2000, J. Geophys. Res. 105, 7337):
    residuals (winsorised at 2 MAD) with an AR(1) effective sample size, the
    autocorrelation corrected for its small-sample bias. It is capped by that
    of a random walk with drift, which steps and slow waves need; with `waves`,
    whose steps are alike, theirs is an effective number too.
    """
    n = len(x)
    i, j = np.triu_indices(n, 1)
    slope = float(np.median((y[j] - y[i]) / (x[j] - x[i])))
    residuals = y - slope * x
    residuals = residuals - np.median(residuals)
    bound = 2 * 1.4826 * float(np.median(np.abs(residuals)))
    residuals = np.clip(residuals, -bound, bound)
    residuals = residuals - residuals.mean()
    return slope, min(_ar1_half_width(x, residuals), _random_walk_half_width(x, y, waves=waves))


def _ar1_half_width(x: Floats, residuals: Floats) -> float:
    power = float(residuals @ residuals)
    if power == 0:
        return 0.0
    r = _memory(residuals, 0.99)
    effective = len(x) * (1 - r) / (1 + r)
    if effective <= 3:
        return math.inf
    error = math.sqrt(power / (effective - 2) / float(np.sum((x - x.mean()) ** 2)))
    return float(stdtrit(effective - 2, 0.975)) * error


def _random_walk_half_width(x: Floats, y: Floats, *, waves: bool) -> float:
    steps = np.diff(y)
    n = len(steps)
    if n < 2:
        return math.inf
    error = float(steps.std(ddof=1)) * math.sqrt(n) / float(x[-1] - x[0])
    r = _memory(steps - steps.mean(), 0.9) if waves and n > _FEW_STEPS else 0.0
    return float(stdtrit(n - 1, 0.975)) * error * math.sqrt((1 + r) / (1 - r))


def _memory(deviations: Floats, most: float) -> float:
    """Return the lag-1 autocorrelation, 0 to `most`, corrected for the bias that it has in so few."""
    n = len(deviations)
    power = float(deviations @ deviations)
    r = float(deviations[1:] @ deviations[:-1]) / power if power else 0.0
    return min(max((r * n + 1) / max(n - 4, 1), 0.0), most)
