"""Was the load the one planned, and did its requests succeed where nothing was broken?"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from harness.criteria.budget import Budget
from harness.criteria.limits import WHERE, When
from harness.judging.evidence import Evidence
from harness.judging.registry import Check, register
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

    A tick in which they left late is inconclusive by itself: no check uses it, and the message says so.
    """
    sent = ~np.isnan(evidence.series.lag_s)
    late = evidence.late & sent
    share = float(late.sum() / sent.sum()) if sent.any() else 1.0
    verdict = Verdict.INCONCLUSIVE if share > _LATE_FRACTION else Verdict.PASS
    note = ""
    if verdict is Verdict.INCONCLUSIVE:
        note = "the load was not the one planned"
    elif late.any():
        note = f"left out of all checks: {_moments(evidence, late)}"
    finding = Finding.about(
        f"generator late by more than {format_s(LATE_S)}",
        check="generator",
        verdict=verdict,
        where="generator",
        observed=f"{late.sum()} of {sent.sum()} ticks",
        allowed=f"{_LATE_FRACTION:.0%} of ticks",
        limit=f"{_LATE_FRACTION:.0%}",
        notes=[note],
        figures={"observed": share, "allowed": _LATE_FRACTION, "late": int(late.sum()), "ticks": int(sent.sum())},
    )
    return [finding, *_skew(evidence)]


def _moments(evidence: Evidence, ticks: NDArray[np.bool_]) -> str:
    ends_s = evidence.series.t_s[ticks]
    more = f" and {len(ends_s) - _SHOWN} more" if len(ends_s) > _SHOWN else ""
    return f"the time before {', '.join(f'{t_s:.1f} s' for t_s in ends_s[:_SHOWN])}{more}"


def _skew(evidence: Evidence) -> list[Finding]:
    """Return how far the workers' clocks may be apart, where there were several."""
    uncertain_s = [float(str(e.detail["uncertain_s"])) for e in evidence.events if e.kind == "worker"]
    if not uncertain_s:
        return []
    skew_s = 2 * max(uncertain_s)
    finding = Finding.about(
        f"clock difference of {len(uncertain_s)} workers",
        check="generator",
        verdict=Verdict.INCONCLUSIVE if skew_s > _SKEW_S else Verdict.PASS,
        where="workers",
        observed=f"at most {format_s(skew_s)}",
        allowed=format_s(_SKEW_S),
        figures={"observed": skew_s, "allowed": _SKEW_S, "unit": "s", "workers": len(uncertain_s)},
    )
    return [finding]


def check_operations(evidence: Evidence) -> list[Finding]:
    """Return a finding for each operation: one that never succeeded was not tested."""
    findings = []
    for operation in sorted(evidence.operations):
        ok = int(evidence.series.count(Outcome.OK, operation=operation).sum())
        verdict = Verdict.PASS if ok else Verdict.INCONCLUSIVE
        message = f"{operation}: {ok} succeeded" + ("" if ok else ", so it was not tested")
        figures = {"observed": ok, "allowed": 1}
        findings.append(Finding("operations", verdict, f"{ok} ok", "at least 1 ok", operation, message, figures))
    return findings


def check_dropped(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return whether too many arrivals found every slot taken; a generator that was late took them itself."""
    dropped = evidence.series.count(Outcome.DROPPED)
    arrivals = dropped + evidence.series.sent()

    def judge(ticks: NDArray[np.bool_]) -> Finding:
        counts = int(dropped[ticks].sum()), int(arrivals[ticks].sum())
        return _fraction("dropped arrivals", counts, budget.dropped_fraction, check="dropped_arrivals", where="load")

    return [_despite_late(judge(~evidence.late), judge(np.ones_like(evidence.late)))]


def check_errors(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return whether too many replies were not good in the calm of the run.

    Bad replies in ticks in which the generator was late prove nothing either way, but a storm of them may be what
    made it late: too many of them are INCONCLUSIVE.
    """
    series = evidence.series
    unasked = sum(series.count(Outcome.OK, operation=operation) for operation in UNASKED)
    replies, bad = series.count() - unasked, series.count() - series.count(Outcome.OK)
    note = ""
    if bad[evidence.quiet].any():
        worst = sorted(evidence.errors.items(), key=lambda item: -item[1])[:_SHOWN]
        kinds = ", ".join(f"{key.operation} {key.outcome} ({key.error}) x {count}" for key, count in worst)
        note = f"most in the whole run: {kinds}" if kinds else ""

    def judge(ticks: NDArray[np.bool_]) -> Finding:
        counts = int(bad[ticks].sum()), int(replies[ticks].sum())
        subject, allowed = f"errors {WHERE[When.CALM]}", budget.error_fraction
        return _fraction(subject, counts, allowed, check="errors", where="outside faults", note=note)

    return [_despite_late(judge(evidence.calm), judge(evidence.quiet))]


def _despite_late(on_time: Finding, every: Finding) -> Finding:
    """Return the finding of the ticks that can be judged, unless only the others break the budget: INCONCLUSIVE."""
    if on_time.verdict is Verdict.FAIL or every.verdict is not Verdict.FAIL:
        return on_time
    message = f"{every.message}; only with the ticks in which the generator was late"
    return dataclasses.replace(every, verdict=Verdict.INCONCLUSIVE, message=message)


def _fraction(
    subject: str, counts: tuple[int, int], allowed: float, *, check: str, where: str, note: str = ""
) -> Finding:
    bad, total = counts
    verdict = Verdict.INCONCLUSIVE if not total else Verdict.FAIL if bad / total > allowed else Verdict.PASS
    return Finding.about(
        subject,
        check=check,
        verdict=verdict,
        where=where,
        observed=f"{bad} of {total} ({bad / total:.2%})" if total else "undecided (0 requests)",
        allowed=f"{allowed:.2%}",
        notes=[note],
        figures={
            "observed": bad / total if total else math.nan,
            "allowed": allowed,
            "unit": "fraction",
            "bad": bad,
            "total": total,
        },
    )


register(Check("generator", 10, lambda case: check_generator(case.evidence)))
register(Check("operations", 20, lambda case: check_operations(case.evidence)))
register(Check("dropped_arrivals", 30, lambda case: check_dropped(case.evidence, case.budget)))
register(Check("errors", 70, lambda case: check_errors(case.evidence, case.budget)))
