"""Several recoveries as one figure, those included whose end was not observed.

A recovery that outlasted the observation is longer than that: leaving it out,
or counting it as ended there, would favour the worst systems. It is censored,
as Kaplan and Meier's estimator takes it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import CensoredData, ecdf

from harness.stats.recovery import Recovery
from harness.units import format_s

Floats = NDArray[np.float64]

_CONFIDENCE = 0.95
# 1 - 0.9 is not quite 0.1.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Quantile:
    """How soon a share of the faults is recovered from, with its 95 % interval: seconds; inf: later than observed."""

    value_s: float
    lower_s: float
    upper_s: float


@dataclass(frozen=True, slots=True)
class Survival:
    """What `recoveries` say together, of which `censored` were not observed to their end, in seconds.

    `mttr_s` is the mean restricted to `limit_s`, the longest that any was observed: one that lasts longer counts as
    that, so with any censored the true mean is more.
    """

    recoveries: int
    censored: int
    median: Quantile
    p90: Quantile
    mttr_s: float
    limit_s: float

    def __str__(self) -> str:
        """Return them as a report puts it: `mean 2.0 s (n=2, 0 censored), median 1.9 s ..., p90 > 9.0 s`."""
        least = ">= " if self.censored else ""
        mean = f"mean {least}{format_s(self.mttr_s)} (n={self.recoveries}, {self.censored} censored)"
        return f"{mean}, median {self._quantile(self.median)}, p90 {self._quantile(self.p90)}"

    def _quantile(self, quantile: Quantile) -> str:
        value = self._text(quantile.value_s)
        if math.isinf(quantile.lower_s) or self.censored == self.recoveries:
            return value
        return f"{value} ({self._text(quantile.lower_s)} to {self._text(quantile.upper_s)})"

    def _text(self, duration_s: float) -> str:
        return format_s(duration_s) if math.isfinite(duration_s) else f"> {format_s(self.limit_s)}"


def summarise(recoveries: Iterable[Recovery]) -> Survival | None:
    """Return what several recoveries say together; None without any.

    One not observed to its end is known to have lasted until `last_bad_s`: what followed may have become a good
    stretch.
    """
    seen = list(recoveries)
    ended_s = [r.recovery_s for r in seen if r.recovery_s is not None]
    censored_s = [r.last_bad_s for r in seen if r.recovery_s is None]
    return kaplan_meier(ended_s, censored_s) if seen else None


def kaplan_meier(ended_s: Iterable[float], censored_s: Iterable[float]) -> Survival:
    """Return the summary of durations of which some ended and others are only known to be longer, at least one in all.

    Quantiles and their intervals (Brookmeyer and Crowley 1982) are read off the curve and its 95 % band (Greenwood's
    variance on the log(-log) scale); inf where the curve or the band does not come down that far.
    """
    ended, censored = np.sort(np.array([*ended_s], dtype=float)), np.array([*censored_s], dtype=float)
    limit_s = float(np.concatenate([ended, censored]).max())
    if not len(ended):
        never = Quantile(math.inf, 0.0, math.inf)
        return Survival(len(censored), len(censored), never, never, limit_s, limit_s)
    curve = ecdf(CensoredData(uncensored=ended, right=censored)).sf
    t_s, share = np.asarray(curve.quantiles, dtype=float), np.asarray(curve.probabilities, dtype=float)
    low, high = _band(curve, share)
    # The curve is a staircase that begins at 1; what lasts beyond the limit counts as the limit.
    steps = np.diff(np.concatenate([[0.0], t_s, [limit_s]]))
    mttr_s = float(np.sum(steps * np.concatenate([[1.0], share])))

    def quantile(fraction: float) -> Quantile:
        return Quantile(*(_first(t_s, stairs, 1 - fraction) for stairs in (share, low, high)))

    return Survival(len(ended) + len(censored), len(censored), quantile(0.5), quantile(0.9), mttr_s, limit_s)


def _band(curve: Any, share: Floats) -> tuple[Floats, Floats]:
    """Return the lower and the upper edge of the curve's band.

    Before the first end there is no uncertainty. Where all have ended the formula is undefined: down to nothing
    below, and as high as it last was above.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The confidence interval is undefined", RuntimeWarning)
        band = curve.confidence_interval(_CONFIDENCE, method="log-log")
    low = np.where(share == 1, 1.0, np.nan_to_num(band.low.probabilities, nan=0.0))
    high = np.where(share == 1, 1.0, np.nan_to_num(band.high.probabilities, nan=1.0))
    return low, np.minimum.accumulate(high)


def _first(t_s: Floats, stairs: Floats, down_to: float) -> float:
    """Return when a staircase first comes down to a height; inf if it never does."""
    low = np.flatnonzero(stairs <= down_to + _ROUNDING)
    return float(t_s[low[0]]) if len(low) else math.inf
