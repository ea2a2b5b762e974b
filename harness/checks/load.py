"""Was the load the one planned, and did its requests succeed where nothing was broken?"""

from __future__ import annotations

import numpy as np

from harness.budget import Budget
from harness.evidence import Evidence
from harness.records import Outcome
from harness.units import format_s
from harness.verdict import Finding, Verdict

# What a shared machine adds now and then for reasons of its own. A generator later than this at its p95 put on another
# load than the one planned: some late ticks are the machine's, many make the run void.
_LATE_S = 0.05
_LATE_FRACTION = 0.10


def check_generator(evidence: Evidence) -> list[Finding]:
    """Return INCONCLUSIVE when requests left too late too often: then the load was another than the one judged."""
    lag_s = evidence.series.lag_s
    lag_s = lag_s[~np.isnan(lag_s)]
    late = float(np.mean(lag_s > _LATE_S)) if len(lag_s) else 1.0
    observed = f"late by more than {format_s(_LATE_S)} in {late:.0%} of {len(lag_s)} ticks"
    allowed = f"at most {_LATE_FRACTION:.0%} of ticks"
    verdict = Verdict.INCONCLUSIVE if late > _LATE_FRACTION else Verdict.PASS
    told = "so the load was not the one planned" if verdict is Verdict.INCONCLUSIVE else "the load left on time"
    return [Finding("generator", verdict, observed, allowed, "generator", f"the generator was {observed}: {told}")]


def check_operations(evidence: Evidence) -> list[Finding]:
    """Return a finding for each operation: one that never once succeeded was not tested."""
    findings = []
    for operation in sorted(evidence.operations):
        ok = int(evidence.series.count(Outcome.OK, operation=operation).sum())
        verdict = Verdict.PASS if ok else Verdict.INCONCLUSIVE
        told = f"{operation} succeeded {ok} times" if ok else f"{operation} never succeeded, so it was not tested"
        findings.append(Finding("operations", verdict, f"{ok} ok", "at least 1 ok", operation, told))
    return findings


def check_dropped(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return whether too many arrivals found every slot taken."""
    dropped = int(evidence.series.count(Outcome.DROPPED).sum())
    arrivals = dropped + int(evidence.series.count().sum())
    words = "arrivals found no free slot"
    return [_fraction("dropped_arrivals", "load", (dropped, arrivals), budget.dropped_fraction, words)]


def check_errors(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return whether too many replies were not good in the calm of the run."""
    series = evidence.series
    calm = evidence.calm
    total = int(series.count()[calm].sum())
    bad = total - int(series.count(Outcome.OK)[calm].sum())
    return [_fraction("errors", "outside faults", (bad, total), budget.error_fraction, "replies were not good")]


def check_latency(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return whether the calm of the run was quick enough, and no slower after the faults than before them.

    A tick counts with its p95, a stretch with the median of its ticks: a shared machine spoils single ticks.
    """
    series, calm = evidence.series, evidence.calm & ~np.isnan(evidence.series.latency_s)
    if not calm.any():
        return [Finding("latency", Verdict.INCONCLUSIVE, "no calm tick", "some", "outside faults", "no calm to judge")]
    allowed_s = budget.latency_s_p95
    findings = [_latency("outside faults", float(np.median(series.latency_s[calm])), allowed_s)]
    if evidence.faults:
        before = calm & (series.t_s <= min(f.injected_s for f in evidence.faults))
        after = calm & (series.t_s > max(f.injected_s for f in evidence.faults))
        if not (before.any() and after.any()):
            told = "no calm both before and after the faults"
            return [*findings, Finding("latency", Verdict.INCONCLUSIVE, told, "both", "after the faults", told)]
        first_s, last_s = (float(np.median(series.latency_s[part])) for part in (before, after))
        limit_s = first_s * (1 + budget.slowdown_fraction) + _LATE_S
        findings.append(_latency("after the faults", last_s, limit_s, f", before them {format_s(first_s)}"))
    return findings


def _latency(where: str, seen_s: float, allowed_s: float, beside: str = "") -> Finding:
    verdict = Verdict.FAIL if seen_s > allowed_s else Verdict.PASS
    sign = ">" if verdict is Verdict.FAIL else "<="
    observed, allowed = format_s(seen_s), format_s(allowed_s)
    message = f"p95 response time {observed} {sign} {allowed} {where}{beside}"
    return Finding("latency", verdict, observed, allowed, where, message)


def _fraction(check: str, where: str, counts: tuple[int, int], allowed: float, words: str) -> Finding:
    bad, total = counts
    limit = f"{allowed:.2%}"
    if not total:
        return Finding(check, Verdict.INCONCLUSIVE, "nothing to count", limit, where, f"{check}: nothing to count")
    verdict = Verdict.FAIL if bad / total > allowed else Verdict.PASS
    sign = ">" if verdict is Verdict.FAIL else "<="
    observed = f"{bad} of {total} ({bad / total:.2%})"
    return Finding(check, verdict, observed, limit, where, f"{observed} {words} {sign} budget {limit} ({where})")
