"""How long did recovery from each fault take, and of which parts was it made?

What is judged is the recovery as a user has it: the prober's requests succeed
without exception, and goodput and latency are back in their band. When pools,
descriptors and memory are back is a measurement, judged where the budget asks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from harness.criteria.budget import Budget
from harness.heartbeat.words import FAILED, KIND
from harness.judging.evidence import Evidence
from harness.judging.registry import Check, register
from harness.records import FaultWindow
from harness.stats.recovery import GOOD_MIN, GOOD_OF, Parts, Recovery, answers_text, part_text
from harness.stats.survival import Survival, summarise
from harness.units import format_s
from harness.verdict import Finding, Measurement, Result, Verdict, merge

_SEVERAL = 2
# On a saturated machine no system recovers in time, and that says nothing of the system.
_MACHINE_BUSY = 0.95
_PARTS: dict[str, Callable[[Parts], Recovery | None]] = {
    "first success": lambda parts: parts.first_success,
    "lasting": lambda parts: parts.lasting,
    "latency": lambda parts: parts.latency,
    "resources": lambda parts: parts.back,
}


def check_recovery(evidence: Evidence, budget: Budget) -> list[Result]:
    """Return whether each fault's recovery kept the budget; one that was not observed to its end never passes.

    Its parts, and the summary of several recoveries, are measurements beside them.
    """
    healed = [fault for fault in evidence.faults if fault.healed_s is not None]  # the others are the faults check's
    if not healed:
        if evidence.faults:
            return [Finding("recovery", Verdict.INCONCLUSIVE, "no heal", "a heal", "timeline", "recovery: no heal")]
        return [Measurement("recovery", "no fault", "timeline", "recovery: no fault to recover from")]
    results: list[Result] = []
    for fault in healed:
        results.append(_judge(evidence, budget, fault))
        if parts := evidence.parts.get(fault):
            results += _parts(budget, fault, parts)
    return [*results, *_prober(evidence), *_together(evidence)]


def _judge(evidence: Evidence, budget: Budget, fault: FaultWindow) -> Finding:
    verdict, observed = _decide(evidence, budget, fault)
    notes = []
    if verdict is Verdict.FAIL and (busy := _busy(evidence, budget, fault)) >= _MACHINE_BUSY:
        verdict = Verdict.INCONCLUSIVE
        notes.append(f"undecided: the machine was {busy:.0%} busy meanwhile")
    if verdict is Verdict.FAIL and fault.forced:
        verdict = Verdict.INCONCLUSIVE
        notes.append(f"undecided: healed by force: {fault.forced}")
    if evidence.band is not None and verdict is not Verdict.PASS:
        notes.append(evidence.band.doubt)
    allowed = format_s(budget.recovery_s)
    parts = evidence.parts.get(fault)
    return Finding.about(
        f"recovery {fault.name}",
        check="recovery",
        verdict=verdict,
        where=fault.name,
        observed=observed,
        allowed=allowed,
        limit=f"{allowed}, heal at {fault.healed_s:.1f} s",
        notes=notes,
        figures={
            "allowed": budget.recovery_s,
            "unit": "s",
            "heal_s": fault.healed_s or 0.0,
            **(_figures(parts.whole) if parts else {}),
        },
    )


def _figures(recovery: Recovery) -> dict[str, float | str]:
    """Return a recovery's numbers: `observed` only where its end was."""
    took_s = math.nan if recovery.recovery_s is None else recovery.recovery_s
    return {"observed": took_s, "last_bad_s": recovery.last_bad_s, "censored": int(recovery.recovery_s is None)}


def _busy(evidence: Evidence, budget: Budget, fault: FaultWindow) -> float:
    """Return how busy the machine was while recovery was due."""
    assert fault.healed_s is not None  # noqa: S101 - for the type checker: only healed ones are judged
    return evidence.machine_busy(fault.healed_s, fault.healed_s + budget.recovery_s)


def _decide(evidence: Evidence, budget: Budget, fault: FaultWindow) -> tuple[Verdict, str]:
    """Return the verdict, and what was observed."""
    parts = evidence.parts.get(fault)
    if parts is None:
        return Verdict.INCONCLUSIVE, "undecided (no baseline to recover to)"
    whole, latency = parts.whole, parts.latency
    left_out_s = {name: _left_out_s(evidence, name, parts, fault) for name in parts.judged}
    verdict = merge(_verdict(part, left_out_s[name], budget.recovery_s) for name, part in parts.judged.items())
    inside = ", ".join(parts_text(parts))
    if whole.recovery_s is None:
        if latency.recovery_s is None:
            windows = f"no {GOOD_MIN} good of {GOOD_OF} windows"
            inside = windows if parts.lasting is None else f"{windows}: {inside}"
        return verdict, f"> {format_s(whole.observed_s)} ({inside})"
    if parts.lasting is None:
        inside = f"last bad {format_s(whole.last_bad_s)}"
    observed = f"{format_s(whole.recovery_s)} ({inside})"
    if verdict is Verdict.INCONCLUSIVE:
        observed += f", of which {format_s(max(left_out_s.values()))} not measured: the generator was late"
    return verdict, observed


def _verdict(part: Recovery, left_out_s: float, budget_s: float) -> Verdict:
    if part.recovery_s is None:
        # Bad beyond the budget is a failure; good, but for too short a time, is undecided.
        return Verdict.FAIL if part.last_bad_s > budget_s else Verdict.INCONCLUSIVE
    if part.recovery_s <= budget_s:
        return Verdict.PASS
    # What was left out lies between the last bad moment and the first good one: it may have been good.
    return Verdict.INCONCLUSIVE if part.recovery_s - left_out_s <= budget_s else Verdict.FAIL


def _left_out_s(evidence: Evidence, name: str, parts: Parts, fault: FaultWindow) -> float:
    """Return how long nothing was measured before a part was over."""
    part = parts.judged[name]
    if name != "latency":
        return parts.unseen_s
    if part.recovery_s is None or fault.healed_s is None:
        return 0.0
    return evidence.left_out_s(fault.healed_s + part.last_bad_s, fault.healed_s + part.recovery_s)


def parts_text(parts: Parts) -> list[str]:
    """Return each part in words."""
    words = []
    if parts.first_success is not None and parts.lasting is not None:
        words += answers_text(parts.first_success, parts.lasting, interrupted=parts.interrupted)
    words.append(part_text("latency", parts.latency))
    if parts.back is not None:
        words.append(part_text("resources", parts.back) + (f" ({parts.slowest})" if parts.back.last_bad_s else ""))
    return words


def _parts(budget: Budget, fault: FaultWindow, parts: Parts) -> Iterator[Result]:
    """Yield what the recovery was made of, and the verdict about resources where one is asked for."""
    amid = f" (while {' and '.join(parts.amid)} was active)" if parts.amid else ""
    observed = ", ".join(parts_text(parts)) + amid
    took_s = {name: part(parts) for name, part in _PARTS.items()}
    figures = {
        f"{name.replace(' ', '_')}_s": part.recovery_s
        for name, part in took_s.items()
        if part is not None and part.recovery_s is not None
    }
    message = f"recovery {fault.name} in parts: {observed}"
    yield Measurement("recovery_parts", observed, fault.name, message, figures)
    back, allowed_s = parts.back, budget.resources_recovery_s
    if allowed_s and back is not None:
        time = format_s(back.recovery_s) if back.recovery_s is not None else f"> {format_s(back.last_bad_s)}"
        yield Finding.about(
            f"resources back after {fault.name}",
            check="resources_recovery",
            verdict=_verdict(back, 0.0, allowed_s),
            where=fault.name,
            observed=f"{time} ({parts.slowest})",
            allowed=format_s(allowed_s),
            figures={"allowed": allowed_s, "unit": "s", **_figures(back)},
        )


def _prober(evidence: Evidence) -> Iterator[Result]:
    """Yield that the canary itself failed, or left probes out, where that is so."""
    for event in evidence.events:
        if event.kind == KIND and event.detail.get("step") == FAILED:
            observed = f"failed at {event.t_s:.1f} s: {event.detail.get('reason')}"
            yield Finding(
                "recovery", Verdict.INCONCLUSIVE, observed, "a canary that runs", "canary", f"canary: {observed}"
            )
    if left_out := sum(word.left_out for word in evidence.words.values()):
        sent = sum(word.returned.looks for word in evidence.words.values())
        observed = f"{left_out} probes left out, {sent} sent: the harness was late"
        figures = {"left_out": left_out, "sent": sent}
        yield Measurement("recovery_canary", observed, "canary", f"canary: {observed}", figures)


def _together(evidence: Evidence) -> Iterator[Measurement]:
    """Yield the summary of several recoveries, as a whole and by part."""
    survival = summarise(evidence.recoveries.values())
    if survival is None or survival.recoveries < _SEVERAL:
        return
    yield _summary("mttr", "all faults", "recovery time", survival)
    # What the prober observed during another fault says nothing of a recovery.
    for name, part in _PARTS.items():
        recoveries = [part(parts) for parts in evidence.parts.values() if not parts.amid]
        survival = summarise(each for each in recoveries if each is not None)
        if survival is not None and survival.recoveries >= _SEVERAL:
            yield _summary("mttr_parts", name, f"recovery time, {name}", survival)


def _summary(check: str, where: str, subject: str, survival: Survival) -> Measurement:
    figures = {
        "mean_s": survival.mttr_s,
        "median_s": survival.median.value_s,
        "p90_s": survival.p90.value_s,
        "n": survival.recoveries,
        "censored": survival.censored,
    }
    return Measurement(check, str(survival), where, f"{subject}: {survival}", figures)


register(Check("recovery", 60, lambda case: check_recovery(case.evidence, case.budget)))
