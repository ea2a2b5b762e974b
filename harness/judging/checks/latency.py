"""Was the system quick enough outside faults, and does it stay so: after the faults as before them, and by the hour?"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.criteria.budget import Budget
from harness.criteria.limits import WHERE, When
from harness.judging.evidence import Evidence
from harness.judging.registry import Case, Check, register
from harness.quantity import Scale
from harness.stats.degradation import Windows, decide_drift, decide_slowdown, merge_ticks, window_width_s
from harness.units import format_s
from harness.verdict import Finding, Verdict

_P95, _P50 = 0.95, 0.50
_OUTSIDE = WHERE[When.CALM]
# What a shared machine adds to a stretch's latency for reasons of its own.
_SLACK_S = 0.05
# Drift is looked for over days, in windows as wide as a fault's aftermath.
_DRIFT_WIDTH_S = 30.0
# Without a fault between them, the first quarter of the run is what its second half is compared with.
_BEFORE, _AFTER = 0.25, 0.5


def check_latency(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return whether the calm of the run was quick enough, and no slower after the faults than before them.

    For the first a tick counts with its p95, the calm with the median of its ticks: a shared machine spoils single
    ticks. The second is decided by windows, and is INCONCLUSIVE where they are too few or too noisy to decide.
    """
    seen_s, calm = evidence.series.latency_s, evidence.calm & ~np.isnan(evidence.series.latency_s)
    about = partial(
        Finding.about,
        f"p95 response time {_OUTSIDE}",
        check="latency",
        where="outside faults",
        allowed=format_s(budget.latency_s_p95),
    )
    if not calm.any():
        return [about(verdict=Verdict.INCONCLUSIVE, observed="undecided (no replies outside faults)")]
    median_s = float(np.median(seen_s[calm]))
    verdict = Verdict.FAIL if median_s > budget.latency_s_p95 else Verdict.PASS
    figures: dict[str, float | str] = {
        "observed": median_s,
        "allowed": budget.latency_s_p95,
        "unit": "s",
        "ticks": int(calm.sum()),
    }
    return [about(verdict=verdict, observed=format_s(median_s), figures=figures), _slowdown(evidence, budget)]


def _slowdown(evidence: Evidence, budget: Budget) -> Finding:
    t_s = evidence.series.t_s
    if evidence.faults:
        where = "after the faults"
        ends_s = min(f.injected_s for f in evidence.faults)
        begins_s = max(f.injected_s for f in evidence.faults)
    else:
        where = "in the second half"
        lasted_s = evidence.load_end_s - evidence.warm_s
        ends_s, begins_s = evidence.warm_s + _BEFORE * lasted_s, evidence.warm_s + _AFTER * lasted_s
    parts = evidence.calm & (t_s <= ends_s), evidence.calm & (t_s > begins_s)
    # A load of few requests a second has not enough of them in its windows for a p95.
    allowed = budget.slowdown_fraction
    judged = (_judge(evidence, parts, where, quantile, allowed) for quantile in (_P95, _P50))
    return next((finding for finding in judged if finding is not None), _undecided(where, allowed))


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


def _undecided(where: str, allowed_fraction: float) -> Finding:
    return Finding.about(
        f"response time {where}",
        check="slowdown",
        verdict=Verdict.INCONCLUSIVE,
        where=where,
        observed="undecided (too few windows with enough requests before and after)",
        allowed=f"{allowed_fraction:+.0%}",
    )


def _judge(
    evidence: Evidence, parts: tuple[Ticks, Ticks], where: str, quantile: float, allowed_fraction: float
) -> Finding | None:
    """Return the finding of the slowdown of a quantile; None where it has too few windows for one."""
    width_s = _width_s(evidence, parts, quantile)
    windows = [_windows(evidence, part, width_s, quantile) for part in parts]
    slowdown = decide_slowdown(*windows, quantile=quantile, allowed=allowed_fraction, slack_s=_SLACK_S)
    if math.isnan(slowdown.change):
        return None
    interval = f"95% CI {slowdown.lower:+.0%} to {slowdown.upper:+.0%}"
    before, after = format_s(slowdown.before_s), format_s(slowdown.after_s)
    before = before.removesuffix(after[after.index(" ") :])
    change = f"{before} -> {after} ({slowdown.change:+.0%}, {interval})"
    return Finding.about(
        f"p{100 * quantile:.0f} {where}",
        check="slowdown",
        verdict=slowdown.verdict,
        where=where,
        observed=change,
        allowed=f"{allowed_fraction:+.0%}",
        notes=[
            slowdown.reason if slowdown.verdict is Verdict.INCONCLUSIVE else "",
            f"with {format_s(_SLACK_S)} of slack on both",
        ],
        figures={
            "observed": slowdown.change,
            "lower": slowdown.lower,
            "upper": slowdown.upper,
            "allowed": allowed_fraction,
            "detectable": slowdown.detectable,
            "before_s": slowdown.before_s,
            "after_s": slowdown.after_s,
            "quantile": quantile,
            "unit": "fraction",
        },
    )


def check_drift(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return whether the calm of a long run gets slower by the hour: the leak procedure on the windows' log p95."""
    windows = _windows(evidence, evidence.calm, _DRIFT_WIDTH_S, _P95)
    per_h = math.log1p(budget.latency_drift_per_h)
    leak = decide_drift(windows, budget_per_h=per_h, quantile=_P95, slack_s=_SLACK_S)
    scale = Scale(100.0, "%/h")
    measured = not math.isnan(leak.slope)
    return [
        Finding.about(
            f"p95 drift {_OUTSIDE}",
            check="latency_drift",
            verdict=leak.verdict,
            where="outside faults",
            observed=scale.estimate(leak.slope, leak.half_width) if measured else f"undecided ({leak.reason})",
            allowed=scale.text(budget.latency_drift_per_h),
            limit=scale.bare(budget.latency_drift_per_h) if measured else None,
            notes=[leak.reason] if measured and leak.verdict is not Verdict.PASS else [],
            figures={
                "observed": leak.slope,
                "half_width": leak.half_width,
                "allowed": budget.latency_drift_per_h,
                "unit": "1/h",
            },
        )
    ]


def _long_enough(case: Case) -> bool:
    return case.lasted_s >= case.budget.drift_decides_after_s


register(Check("latency", 80, lambda case: check_latency(case.evidence, case.budget)))
register(Check("latency_drift", 120, lambda case: check_drift(case.evidence, case.budget), applies=_long_enough))
