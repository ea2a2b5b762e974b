"""Does a service's memory grow more under load than with nothing to do? The unloaded stretch before the load tells."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.criteria.budget import Budget
from harness.judging.checks.growth import NOT_JUDGED
from harness.judging.evidence import Evidence
from harness.judging.series import Floats, Gauge
from harness.stats.control import Stretch, decide_excess
from harness.stats.gauges import kind_of
from harness.units import format_bytes
from harness.verdict import Finding, Verdict

_HOUR_S = 3600.0
# A process just started settles; the rest of the unloaded stretch is what the load is compared with.
_SETTLES = 0.2


def check_control(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return, for each service, whether load adds more growth of memory an hour than the budget.

    Where the run is too short to promise an answer by the hour, what could not be told is named and keeps nobody from
    passing.
    """
    if evidence.control is None:
        return []
    findings = [_of(evidence, budget, service, gauge) for service, gauge in sorted(evidence.series.memory.items())]
    judged = [finding for finding in findings if finding.where not in NOT_JUDGED]
    undecided = [finding for finding in judged if finding.verdict is Verdict.INCONCLUSIVE]
    if not undecided or evidence.load_end_s - evidence.warm_s >= budget.growth_decides_after_s:
        return judged
    told = f"load against no load, which so short a run does not promise to decide: {undecided[0].message}"
    names = ", ".join(finding.where for finding in undecided)
    rest = [finding for finding in judged if finding not in undecided]
    return [*rest, Finding("control", Verdict.PASS, "not told", "not promised", names, told)]


def _of(evidence: Evidence, budget: Budget, service: str, gauge: Gauge) -> Finding:
    begins_s, ends_s = evidence.control or (0.0, 0.0)
    begins_s += _SETTLES * (ends_s - begins_s)
    idle = (evidence.series.t_s > begins_s) & (evidence.series.t_s <= ends_s)
    allowed = budget.memory_growth_bytes_per_h
    limit = f"{format_bytes(allowed)}/h more than without load"
    kind = kind_of(f"process.{service}.rss_bytes")
    stretches = (_stretch(evidence, gauge, part) for part in (idle, evidence.calm))
    excess = decide_excess(*stretches, budget=allowed, wander=kind.wander if kind else 0.0)
    if math.isnan(excess.slope):
        observed = excess.reason
    else:
        without, loaded, doubt = (format_bytes(v) for v in (excess.idle, excess.loaded, excess.half_width))
        observed = f"{loaded}/h under load, {without}/h without, difference +- {doubt}/h"
    message = f"memory of {service}: {observed}, allowed {limit}: {excess.reason}"
    return Finding("control", excess.verdict, observed, limit, service, message)


def _stretch(evidence: Evidence, gauge: Gauge, part: NDArray[np.bool_]) -> Stretch:
    seen = part & ~np.isnan(gauge.low)
    hours: Floats = evidence.series.t_s[seen] / _HOUR_S
    return hours, gauge.low[seen]
