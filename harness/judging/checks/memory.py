"""What a service may hold at all, and what its memory may grow by over a whole run and in its second half.

These are the limits that people agree on; whether memory leaks is decided by
`harness.judging.checks.growth`, also where a run is too short for these.
"""

from __future__ import annotations

import math

import numpy as np

from harness.criteria.budget import Budget
from harness.judging.evidence import Evidence
from harness.judging.registry import Case, Check, register
from harness.judging.series import Floats, Gauge
from harness.quantity import growth_scale
from harness.stats.gauges import kind_of
from harness.stats.growth import GrowthDecision, decide_ceiling, decide_growth, decide_second_half
from harness.stats.segments import longest_stretch
from harness.units import format_bytes
from harness.verdict import Finding, Verdict

_HOUR_S = 3600.0
# The growth that is agreed on is that of a day.
_DAY_H = 24.0


def check_memory_ceiling(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return whether each service stayed below the most it may hold, in faults too."""
    limit = budget.memory_ceiling_bytes
    findings = []
    for service, gauge in sorted(evidence.series.memory.items()):
        held = decide_ceiling(gauge.high[~np.isnan(gauge.high)], limit=limit)
        finding = Finding.about(
            f"{service} peak memory",
            check="memory_ceiling",
            verdict=held.verdict,
            where=service,
            observed=f"undecided ({held.reason})" if math.isnan(held.observed) else format_bytes(held.observed),
            allowed=format_bytes(limit),
            figures={"observed": held.observed, "allowed": limit, "unit": "B"},
        )
        findings.append(finding)
    return findings


def check_memory_rules(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return, for each service of a long run, whether its memory grew too much over it, or in its second half."""
    findings = []
    for service, gauge in sorted(evidence.series.memory.items()):
        x, y = _calm_hours(evidence, service, gauge)
        over = decide_growth(x, y, limit=budget.memory_growth_bytes, over=_span_h(evidence))
        findings.append(_finding(service, "over the run", over, budget.memory_growth_bytes))
        per_h = budget.second_half_growth_bytes_per_h
        half = decide_second_half(x, y, budget=per_h, wander=_wander(service, evidence))
        findings.append(_finding(service, "in the second half", half, per_h, per="/h"))
    return findings


def _calm_hours(evidence: Evidence, service: str, gauge: Gauge) -> tuple[Floats, Floats]:
    seen = evidence.calm & ~np.isnan(gauge.low)
    within = np.zeros_like(seen)
    restarts_s, warm_up_s = evidence.restarts_s(service), evidence.warm_up_s
    within[longest_stretch(evidence.series.t_s, restarts_s=restarts_s, warm_up_s=warm_up_s)] = True
    return evidence.series.t_s[seen & within] / _HOUR_S, gauge.low[seen & within]


def _span_h(evidence: Evidence) -> float:
    """Return how many hours the limit speaks of: a day, or the whole load of a run that is planned shorter."""
    return min(_DAY_H, (evidence.load_end_s - evidence.warm_s) / _HOUR_S)


def _wander(service: str, evidence: Evidence) -> float:
    names = (str(n) for n in evidence.series.gauges if n.subject == service and n.figure.endswith("_bytes"))
    return max((kind.wander for name in names if (kind := kind_of(name)) and kind.name == "memory"), default=0.0)


def _finding(service: str, when: str, growth: GrowthDecision, limit: float, per: str = "") -> Finding:
    scale = growth_scale("B", "h", growth.observed, growth.half_width, limit)
    if math.isnan(growth.observed):
        observed = f"undecided ({growth.reason})"
    elif per:
        observed = scale.estimate(growth.observed, growth.half_width)
    else:
        observed = format_bytes(growth.observed)
    reasoned = growth.verdict is Verdict.INCONCLUSIVE and not math.isnan(growth.observed)
    return Finding.about(
        f"{service} memory growth {when}",
        check="memory_rules",
        verdict=growth.verdict,
        where=f"{service} {when}",
        observed=observed,
        allowed=scale.text(limit) if per else format_bytes(limit),
        notes=[growth.reason] if reasoned else [],
        figures={
            "observed": growth.observed,
            "half_width": growth.half_width,
            "allowed": limit,
            "unit": f"B{per}",
        },
    )


def _long_enough(case: Case) -> bool:
    return case.lasted_s >= case.budget.growth_decides_after_s


register(Check("memory_ceiling", 100, lambda case: check_memory_ceiling(case.evidence, case.budget)))
register(Check("memory_rules", 110, lambda case: check_memory_rules(case.evidence, case.budget), applies=_long_enough))
