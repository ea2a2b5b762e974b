"""Was the system quick enough outside faults, and does it stay so: after the faults as before them, and by the hour?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.criteria.budget import Budget
from harness.judging.evidence import Evidence
from harness.stats.degradation import Windows, decide_drift, decide_slowdown, merge_ticks, window_width_s
from harness.units import format_s
from harness.verdict import Finding, Verdict

_P95, _P50 = 0.95, 0.50
# What a shared machine adds to a stretch's latency for reasons of its own.
_SLACK_S = 0.05
# Drift is looked for over days, in windows as wide as a fault's aftermath.
_DRIFT_WIDTH_S = 30.0
# Without a fault between them, the first quarter of the run is what its second half is compared with.
_BEFORE, _AFTER = 0.25, 0.5


def check_latency(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return whether the calm of the run was quick enough, and no slower after the faults than before them.

    For the first a tick counts with its p95, the calm with the median of its ticks: a shared machine spoils single
    ticks. The second is decided by windows, and is INCONCLUSIVE where they are too few or too noisy to tell.
    """
    seen_s, calm = evidence.series.latency_s, evidence.calm & ~np.isnan(evidence.series.latency_s)
    if not calm.any():
        return [Finding("latency", Verdict.INCONCLUSIVE, "no calm tick", "some", "outside faults", "no calm to judge")]
    median_s = float(np.median(seen_s[calm]))
    verdict = Verdict.FAIL if median_s > budget.latency_s_p95 else Verdict.PASS
    sign = ">" if verdict is Verdict.FAIL else "<="
    observed, allowed = format_s(median_s), format_s(budget.latency_s_p95)
    told = f"p95 response time {observed} {sign} {allowed} outside faults"
    return [Finding("latency", verdict, observed, allowed, "outside faults", told), _slowdown(evidence, budget)]


def _slowdown(evidence: Evidence, budget: Budget) -> Finding:
    t_s = evidence.series.t_s
    if evidence.faults:
        where = "after the faults"
        ends_s = min(f.injected_s for f in evidence.faults)
        begins_s = max(f.injected_s for f in evidence.faults)
    else:
        where = "in its second half"
        lasted_s = evidence.load_end_s - evidence.warm_s
        ends_s, begins_s = evidence.warm_s + _BEFORE * lasted_s, evidence.warm_s + _AFTER * lasted_s
    parts = evidence.calm & (t_s <= ends_s), evidence.calm & (t_s > begins_s)
    # A load of few requests a second has not enough of them in its windows for a p95.
    judged = (_told(evidence, parts, where, quantile, budget.slowdown_fraction) for quantile in (_P95, _P50))
    return next((finding for finding in judged if finding is not None), _undecided(where))


Ticks = NDArray[np.bool_]


def _width_s(evidence: Evidence, parts: tuple[Ticks, Ticks], quantile: float) -> float:
    t_s, calm = evidence.series.t_s, evidence.calm
    lengths_s = np.diff(t_s, prepend=0.0)
    tick_s = float(np.median(lengths_s)) if len(lengths_s) else 1.0
    calm_s = float(lengths_s[calm].sum())
    rate_per_s = float(evidence.series.count()[calm].sum()) / calm_s if calm_s else 0.0
    before_s, after_s = (float(lengths_s[part].sum()) for part in parts)
    return window_width_s(before_s, after_s, rate_per_s=rate_per_s, tick_s=tick_s, quantile=quantile)


def _windows(evidence: Evidence, part: Ticks, width_s: float, quantile: float) -> Windows:
    series = evidence.series
    seen_s = series.latency_s if quantile == _P95 else series.median_s
    return merge_ticks(series.t_s, np.where(part, seen_s, np.nan), series.count(), width_s=width_s)


def _undecided(where: str) -> Finding:
    told = "too few windows with requests enough both before and after"
    return Finding("slowdown", Verdict.INCONCLUSIVE, told, "enough windows", where, f"response time {where}: {told}")


def _told(
    evidence: Evidence, parts: tuple[Ticks, Ticks], where: str, quantile: float, allowed_fraction: float
) -> Finding | None:
    """Return what a quantile says of the slowdown; None where it has too few windows to say anything."""
    width_s = _width_s(evidence, parts, quantile)
    windows = [_windows(evidence, part, width_s, quantile) for part in parts]
    slowdown = decide_slowdown(*windows, quantile=quantile, allowed=allowed_fraction, slack_s=_SLACK_S)
    if math.isnan(slowdown.change):
        return None
    allowed = f"at most {allowed_fraction:.0%} slower"
    before_s, after_s = (float(np.exp(np.mean(np.log(w.quantile_s)))) for w in windows)
    observed = f"{slowdown.change:+.0%} ({slowdown.lower:+.0%} to {slowdown.upper:+.0%})"
    told = (
        f"p{100 * quantile:.0f} response time {where} {format_s(after_s)}, before {format_s(before_s)}: {observed} with"
        f" {format_s(_SLACK_S)} of slack on both, allowed {allowed_fraction:+.0%}: {slowdown.reason}"
    )
    return Finding("slowdown", slowdown.verdict, observed, allowed, where, told)


def check_drift(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return whether the calm of a long run gets slower by the hour: the leak procedure on the windows' log p95."""
    windows = _windows(evidence, evidence.calm, _DRIFT_WIDTH_S, _P95)
    per_h = math.log1p(budget.latency_drift_per_h)
    leak = decide_drift(windows, budget_per_h=per_h, quantile=_P95, slack_s=_SLACK_S)
    allowed = f"at most {budget.latency_drift_per_h:+.2%} an hour"
    if math.isnan(leak.slope):
        told = f"drift of the p95 response time: {leak.reason}"
        return [Finding("latency_drift", leak.verdict, leak.reason, allowed, "outside faults", told)]
    observed = f"{leak.slope:+.2%} +- {leak.half_width:.2%} an hour"
    told = f"p95 response time drifts {observed}, allowed {allowed}: {leak.reason}"
    return [Finding("latency_drift", leak.verdict, observed, allowed, "outside faults", told)]
