"""Does a service's memory grow more under load than while idle? Compared with the stretch before the load."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.criteria.budget import Budget
from harness.judging.checks.growth import NOT_JUDGED
from harness.judging.evidence import Evidence
from harness.judging.registry import Check, register
from harness.judging.series import Floats, Gauge
from harness.quantity import growth_scale
from harness.stats.control import Stretch, decide_excess
from harness.stats.gauges import kind_of
from harness.verdict import Finding, Measurement, Result, Verdict

_HOUR_S = 3600.0
# A process just started settles; the rest of the unloaded stretch is what the load is compared with.
_SETTLES = 0.2


def check_control(evidence: Evidence, budget: Budget) -> list[Result]:
    """Return, for each service, whether load adds more growth of memory an hour than the budget.

    Where the run is too short to promise an answer by the hour, what stays undecided is a measurement.
    """
    if evidence.control is None:
        return []
    findings = [_of(evidence, budget, service, gauge) for service, gauge in sorted(evidence.series.memory.items())]
    judged = [finding for finding in findings if finding.where not in NOT_JUDGED]
    undecided = [finding for finding in judged if finding.verdict is Verdict.INCONCLUSIVE]
    if not undecided or evidence.load_end_s - evidence.warm_s >= budget.growth_decides_after_s:
        return [*judged]
    names = ", ".join(finding.where for finding in undecided)
    observed = "undecided"
    message = f"memory growth added by load undecided (informational): {names}"
    rest = [finding for finding in judged if finding not in undecided]
    return [*rest, Measurement("control", observed, names, message, {"undecided": len(undecided)})]


def _of(evidence: Evidence, budget: Budget, service: str, gauge: Gauge) -> Finding:
    begins_s, ends_s = evidence.control or (0.0, 0.0)
    begins_s += _SETTLES * (ends_s - begins_s)
    idle = (evidence.series.t_s > begins_s) & (evidence.series.t_s <= ends_s)
    allowed = budget.memory_growth_bytes_per_h
    kind = kind_of(f"process.{service}.rss_bytes")
    stretches = (_stretch(evidence, gauge, part) for part in (idle, evidence.calm))
    excess = decide_excess(*stretches, budget=allowed, wander=kind.wander if kind else 0.0)
    scale = growth_scale("B", "h", excess.slope, excess.half_width, allowed)
    limit, notes = scale.text(allowed), ["" if excess.verdict is Verdict.PASS else excess.reason]
    if math.isnan(excess.slope):
        observed, notes = f"undecided ({excess.reason})", []
    else:
        observed = scale.estimate(excess.slope, excess.half_width)
        notes.append(f"{scale.rough(excess.loaded)} under load, {scale.rough(excess.idle)} without")
    return Finding.about(
        f"{service} memory growth added by load",
        check="control",
        verdict=excess.verdict,
        where=service,
        observed=observed,
        allowed=limit,
        notes=notes,
        figures={
            "observed": excess.slope,
            "half_width": excess.half_width,
            "allowed": allowed,
            "idle": excess.idle,
            "loaded": excess.loaded,
            "unit": "B/h",
        },
    )


def _stretch(evidence: Evidence, gauge: Gauge, part: NDArray[np.bool_]) -> Stretch:
    seen = part & ~np.isnan(gauge.low)
    hours: Floats = evidence.series.t_s[seen] / _HOUR_S
    return hours, gauge.low[seen]


register(
    Check(
        "control",
        130,
        lambda case: check_control(case.evidence, case.budget),
        applies=lambda case: case.evidence.control is not None,
    )
)
