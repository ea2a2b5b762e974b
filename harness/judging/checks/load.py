"""Was the load the one planned, and did its requests succeed where nothing was broken?"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from harness.criteria.budget import Budget
from harness.judging.evidence import Evidence
from harness.records import LATE_S, UNASKED, Outcome
from harness.units import format_s
from harness.verdict import Finding, Verdict

# Some late ticks are a shared machine's; where they are many, the whole run was another than the one planned.
_LATE_FRACTION = 0.10
_SHOWN = 3
# How far apart the clocks of workers may be: response times are in tens of ms, and stages in seconds.
_SKEW_S = 0.05


def check_generator(evidence: Evidence) -> list[Finding]:
    """Return whether requests left when they were due; INCONCLUSIVE when too often they did not.

    A tick in which they left late is inconclusive by itself: no check looks at it, and the message says so.
    """
    seen = ~np.isnan(evidence.series.lag_s)
    late = evidence.late & seen
    share = float(late.sum() / seen.sum()) if seen.any() else 1.0
    observed = f"late by more than {format_s(LATE_S)} in {late.sum()} of {seen.sum()} ticks"
    allowed = f"at most {_LATE_FRACTION:.0%} of ticks"
    verdict = Verdict.INCONCLUSIVE if share > _LATE_FRACTION else Verdict.PASS
    if verdict is Verdict.INCONCLUSIVE:
        told = "so the load was not the one planned"
    elif late.any():
        told = f"what {_moments(evidence, late)} shows is INCONCLUSIVE, and was left out"
    else:
        told = "the load left on time"
    findings = [Finding("generator", verdict, observed, allowed, "generator", f"the generator was {observed}: {told}")]
    return findings + _skew(evidence)


def _moments(evidence: Evidence, ticks: NDArray[np.bool_]) -> str:
    ends_s = evidence.series.t_s[ticks]
    more = f" and {len(ends_s) - _SHOWN} more" if len(ends_s) > _SHOWN else ""
    return f"the time before {', '.join(f'{t_s:.1f} s' for t_s in ends_s[:_SHOWN])}{more}"


def _skew(evidence: Evidence) -> list[Finding]:
    """Return how far the workers' clocks may be apart, where there were several."""
    doubts_s = [float(str(e.detail["uncertain_s"])) for e in evidence.events if e.kind == "worker"]
    if not doubts_s:
        return []
    skew_s = 2 * max(doubts_s)
    observed, allowed = format_s(skew_s), format_s(_SKEW_S)
    verdict = Verdict.INCONCLUSIVE if skew_s > _SKEW_S else Verdict.PASS
    told = f"the clocks of {len(doubts_s)} workers are apart by at most {observed}, allowed {allowed}"
    return [Finding("generator", verdict, observed, allowed, "workers", told)]


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
    """Return whether too many arrivals found every slot taken; a generator that was late took them itself."""
    dropped = evidence.series.count(Outcome.DROPPED)
    arrivals = dropped + evidence.series.sent()
    words = "arrivals found no free slot"

    def judge(ticks: NDArray[np.bool_]) -> Finding:
        counts = int(dropped[ticks].sum()), int(arrivals[ticks].sum())
        return _fraction("dropped_arrivals", "load", counts, budget.dropped_fraction, words)

    return [_despite_late(judge(~evidence.late), judge(np.ones_like(evidence.late)))]


def check_errors(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return whether too many replies were not good in the calm of the run.

    Bad replies in ticks in which the generator was late prove nothing either way, but a storm of them may be what
    made it late: too many of them are INCONCLUSIVE.
    """
    series = evidence.series
    unasked = sum(series.count(Outcome.OK, operation=operation) for operation in UNASKED)
    replies, bad = series.count() - unasked, series.count() - series.count(Outcome.OK)
    words = "replies were not good"
    if bad[evidence.quiet].any():
        worst = sorted(evidence.errors.items(), key=lambda item: -item[1])[:_SHOWN]
        kinds = ", ".join(f"{key.operation} {key.outcome} ({key.error}) x {count}" for key, count in worst)
        words += f" (in the whole run most were {kinds})" if kinds else ""

    def judge(ticks: NDArray[np.bool_]) -> Finding:
        counts = int(bad[ticks].sum()), int(replies[ticks].sum())
        return _fraction("errors", "outside faults", counts, budget.error_fraction, words)

    return [_despite_late(judge(evidence.calm), judge(evidence.quiet))]


def _despite_late(on_time: Finding, all_told: Finding) -> Finding:
    """Return the finding of the ticks that can be judged, unless only the others break the budget: INCONCLUSIVE."""
    if on_time.verdict is Verdict.FAIL or all_told.verdict is not Verdict.FAIL:
        return on_time
    told = f"{all_told.message}, but only with the ticks in which the generator was late"
    return dataclasses.replace(all_told, verdict=Verdict.INCONCLUSIVE, message=told)


def _fraction(check: str, where: str, counts: tuple[int, int], allowed: float, words: str) -> Finding:
    bad, total = counts
    limit = f"{allowed:.2%}"
    if not total:
        return Finding(check, Verdict.INCONCLUSIVE, "nothing to count", limit, where, f"{check}: nothing to count")
    verdict = Verdict.FAIL if bad / total > allowed else Verdict.PASS
    sign = ">" if verdict is Verdict.FAIL else "<="
    observed = f"{bad} of {total} ({bad / total:.2%})"
    return Finding(check, verdict, observed, limit, where, f"{observed} {words} {sign} budget {limit} ({where})")
