"""Is a service slower than it was? Three-valued, from the quantiles of windows.

A window counts as one observation, for requests that are near in time are
correlated: thousands of them say little more than the one second they were in.
Windows are correlated too, so their number is reduced to an effective one, and
an interval around the slowdown decides. Differences are of logarithms: 20 % is
20 % of any response time.

To each time `slack_s` is added first. What a request costs its user has such a
part anyway, and a shared machine adds as much for reasons of its own: from 0.5
to 0.7 ms is no slowdown, from 500 to 700 ms is one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from harness.stats.leak import Leak, decide_leak
from harness.verdict import Verdict

Floats = NDArray[np.float64]

# Facts about a window's quantile need some requests beyond it: 1000 for p99, 200 for p95, 20 for p50.
_BEYOND = 10
# Wanted in each stretch; fewer make the interval wider, and below the least of them nothing is decided.
WANTED_BASELINE, WANTED_TEST, LEAST = 10, 20, 5
WIDTH_MAX_S = 30.0
# Arrivals are random: a width that just gives enough requests gives too few in every other window.
_SPARE = 1.25
# Degraded: surely slower by a quarter of what is allowed, and most likely by three quarters of it.
_SURELY, _LIKELY = 0.25, 0.75
# Pauses spoil single windows; where this share more of them are beyond the allowed slowdown, they are no pauses.
_SPOILT = 0.2
# However correlated windows are, they count as so many: their range was measured.
_WORTH_MIN = 3.0
# Below the resolution of any clock; it keeps a logarithm finite.
_LEAST_S = 1e-9
# Histograms of three digits resolve no smaller difference of logarithms.
_RESOLUTION = 5e-4
# What the log p95 of a healthy service drifts for reasons that a run cannot measure.
WANDER = 0.05


@dataclass(frozen=True, slots=True)
class Windows:
    """A quantile of response times by window, each of shape (n,): `end_s`, `quantile_s` (seconds) and `requests`."""

    end_s: Floats
    quantile_s: Floats
    requests: Floats

    def usable(self, quantile: float) -> Self:
        """Return the windows that have a quantile, and requests enough for it."""
        enough = np.isfinite(self.quantile_s) & (self.requests >= least_requests(quantile))
        return type(self)(self.end_s[enough], self.quantile_s[enough], self.requests[enough])

    def between(self, since_s: float, until_s: float) -> Self:
        """Return the windows that end after `since_s` and not after `until_s`."""
        within = (self.end_s > since_s) & (self.end_s <= until_s)
        return type(self)(self.end_s[within], self.quantile_s[within], self.requests[within])


@dataclass(frozen=True, slots=True)
class Slowdown:
    """A decided slowdown, as a fraction: 0.2 is 20 % slower than the baseline, slack included on both sides.

    It lies between `lower` and `upper` with 95 % confidence; `detectable` is the smallest that these windows would
    have shown nine times in ten. `before_s` and `after_s` are what it is the change between, without slack.
    """

    verdict: Verdict
    change: float
    lower: float
    upper: float
    detectable: float
    reason: str
    before_s: float = math.nan
    after_s: float = math.nan


def least_requests(quantile: float) -> int:
    """Return how many requests a window needs for its `quantile` (0 to 1) to mean something."""
    return math.ceil(round(_BEYOND / (1 - quantile), 6))


def window_width_s(baseline_s: float, test_s: float, *, rate_per_s: float, tick_s: float, quantile: float) -> float:
    """Return how wide windows should be, in seconds and whole ticks of `tick_s`, for two stretches of that length.

    As wide as gives the wanted number in each, at most `WIDTH_MAX_S`; but always as wide as gives each window requests
    enough at `rate_per_s`, though there are then fewer than wanted: a long run gets 30 s, two stretches of 20 and 30 s
    at 200 requests a second get 2 s.
    """
    wanted_s = min(baseline_s / WANTED_BASELINE, test_s / WANTED_TEST, WIDTH_MAX_S)
    needed_s = _SPARE * least_requests(quantile) / rate_per_s if rate_per_s > 0 else 0.0
    ticks = max(math.floor(wanted_s / tick_s + 1e-6), math.ceil(needed_s / tick_s - 1e-6), 1)
    return ticks * tick_s


def merge_ticks(t_s: Floats, quantile_s: Floats, requests: Floats, *, width_s: float) -> Windows:
    """Return windows of `width_s` seconds from a quantile by tick; shapes (n,), `t_s` the ticks' ends, ascending.

    Ticks may be of any length; one longer than a window is one. A tick without a quantile (NaN) or without requests
    is left out, so that the caller can cut out faults. A window's value is the mean of its ticks' logarithms, weighted
    by requests: no quantile of all its requests, but it shows as well whether one stretch is slower than another, both
    being made of the same ticks.
    """
    seen = np.isfinite(quantile_s) & (requests > 0)
    if not seen.any():
        return Windows(np.empty(0), np.empty(0), np.empty(0))
    lasted_s = np.minimum(np.diff(t_s, prepend=0.0), width_s)
    weights = requests[seen]
    # A tick comes some ms after it was due: it belongs to the window that its middle is in.
    number = np.floor((t_s - lasted_s / 2)[seen] / width_s).astype(np.int64)
    windows, of = np.unique(number, return_inverse=True)
    totals = np.asarray(np.bincount(of, weights), dtype=np.float64)
    sums = np.bincount(of, weights * _logs(quantile_s[seen], 0.0))
    ends_s = np.asarray((windows + 1) * width_s, dtype=np.float64)
    means_s: Floats = np.exp(sums / totals)
    return Windows(ends_s, means_s, totals)


def decide_slowdown(
    baseline: Windows, test: Windows, *, quantile: float = 0.95, allowed: float = 0.2, slack_s: float = 0.0
) -> Slowdown:
    """Decide whether `test` is slower than `baseline` by more than the fraction `allowed`.

    `quantile` is what the windows hold. Welch's t test on winsorised (2 MAD) means of log(quantile + slack) with an
    AR(1) effective number of windows; the autocorrelation is of both stretches together, for it is the machine's and
    five windows are too few to estimate it. PASS if the upper end of the 95 % interval is below `allowed`, else FAIL if
    the lower end is above a quarter of it and the estimate at least three quarters (of their logarithms: at 20 %, 5 %
    and 15 %).
    """
    before, after = (_logs(w.usable(quantile).quantile_s, slack_s) for w in (baseline, test))
    if min(len(before), len(after)) < LEAST:
        counted = f"{len(before)} and {len(after)} windows with {least_requests(quantile)} requests or more"
        reason = f"{counted}, {LEAST} and {LEAST} needed, {WANTED_BASELINE} and {WANTED_TEST} recommended"
        return Slowdown(Verdict.INCONCLUSIVE, math.nan, -1.0, math.inf, math.inf, reason)
    clipped = [_winsorised(before), _winsorised(after)]
    estimate = float(clipped[1].mean() - clipped[0].mean())
    half_width = _half_width(clipped)
    limit = math.log1p(allowed)
    reason, verdict = "undecided", Verdict.INCONCLUSIVE
    beyond = [float(np.mean(part > np.median(before) + limit)) for part in (before, after)]
    if estimate + half_width < limit:
        if beyond[1] - beyond[0] > _SPOILT:
            reason = f"undecided: {beyond[1]:.0%} of the windows are slower than allowed, {beyond[0]:.0%} before"
        else:
            reason, verdict = "less than allowed", Verdict.PASS
    elif estimate - half_width > _SURELY * limit and estimate >= _LIKELY * limit:
        reason, verdict = "slower", Verdict.FAIL
    # The half-width is two standard errors and more: nine in ten estimates are above their mean less 0.65 of it. What
    # is allowed may pass, however well it is seen.
    detectable = max(limit, _LIKELY * limit + 0.65 * half_width, _SURELY * limit + 1.65 * half_width)
    return Slowdown(
        verdict,
        change=_fraction(estimate),
        lower=_fraction(estimate - half_width),
        upper=_fraction(estimate + half_width),
        detectable=_fraction(detectable),
        reason=reason,
        before_s=math.exp(float(clipped[0].mean())) - slack_s,
        after_s=math.exp(float(clipped[1].mean())) - slack_s,
    )


def decide_drift(
    windows: Windows, *, budget_per_h: float, quantile: float = 0.95, slack_s: float = 0.0, wander: float = WANDER
) -> Leak:
    """Decide whether a service slows down without end: the leak procedure on log(quantile + slack) against hours.

    `budget_per_h` and the slope returned are in units of the logarithm: 0.01 is 1 % an hour.
    """
    usable = windows.usable(quantile)
    return decide_leak(usable.end_s / 3600, _logs(usable.quantile_s, slack_s), budget=budget_per_h, wander=wander)


def _logs(quantile_s: Floats, slack_s: float) -> Floats:
    logs: Floats = np.log(np.maximum(quantile_s + slack_s, _LEAST_S))
    return logs


def _winsorised(x: Floats) -> Floats:
    median = float(np.median(x))
    bound = 2 * 1.4826 * float(np.median(np.abs(x - median)))
    return np.clip(x, median - bound, median + bound)


def _half_width(parts: Sequence[Floats]) -> float:
    """Return half of the 95 % interval of the difference of two means of correlated windows.

    The bias of the pooled autocorrelation, -(1 + 3 r) / n for each mean taken off (Marriott and Pope 1954), is put
    right, and that of the variance; Welch's degrees of freedom are of the effective numbers.
    """
    residuals = [part - part.mean() for part in parts]
    power, n = sum(float(r @ r) for r in residuals), sum(len(r) for r in residuals)
    if power <= n * _RESOLUTION**2:
        return 0.0
    r = sum(float(r[1:] @ r[:-1]) for r in residuals) / power
    r = min(max((r * n + 2) / (n - 6), 0.0), 0.99)
    worth = (1 - r) / (1 + r)
    squares, weights = 0.0, 0.0
    for residual in residuals:
        effective = max(len(residual) * worth, _WORTH_MIN)
        square = float(residual @ residual) / (len(residual) - len(residual) / effective) / effective
        squares, weights = squares + square, weights + square**2 / (effective - 1)
    return float(stdtrit(squares**2 / weights, 0.975)) * math.sqrt(squares)


def _fraction(log_ratio: float) -> float:
    return math.expm1(log_ratio) if log_ratio < 700 else math.inf
