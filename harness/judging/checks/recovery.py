"""How long did recovery from each fault take, and of which parts was it made?

What is judged is the recovery as a user has it: the canary is answered without
fail, and goodput and latency are back in their band. When pools, descriptors
and memory are back is told beside that, and judged where the budget asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.criteria.budget import Budget
from harness.heartbeat.words import FAILED, KIND
from harness.judging.evidence import Evidence
from harness.records import FaultWindow
from harness.stats.recovery import GOOD_MIN, GOOD_OF, Parts, Recovery, tell_answers, tell_part
from harness.stats.survival import summarise
from harness.units import format_s
from harness.verdict import Finding, Verdict, merge

_SEVERAL = 2
# On a machine with nothing to spare nobody recovers in time, and it says nothing of the system.
_MACHINE_BUSY = 0.95
_PARTS: dict[str, Callable[[Parts], Recovery | None]] = {
    "first success": lambda parts: parts.first_success,
    "lasting": lambda parts: parts.lasting,
    "latency": lambda parts: parts.latency,
    "resources": lambda parts: parts.back,
}


def check_recovery(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return whether each fault's recovery kept the budget; one that was not seen to its end never passes.

    Its parts, and what several recoveries say together, are told beside them and not judged.
    """
    healed = [fault for fault in evidence.faults if fault.healed_s is not None]  # the faults check told of the others
    if not healed:
        if evidence.faults:
            return [Finding("recovery", Verdict.INCONCLUSIVE, "no heal", "a heal", "timeline", "no fault healed")]
        return [Finding("recovery", Verdict.PASS, "none", "none", "timeline", "no fault to recover from")]
    findings = []
    for fault in healed:
        findings.append(_judge(evidence, budget, fault))
        if parts := evidence.parts.get(fault):
            findings += _parts(budget, fault, parts)
    return [*findings, *_canary(evidence), *_together(evidence)]


def _judge(evidence: Evidence, budget: Budget, fault: FaultWindow) -> Finding:
    verdict, observed, sign = _decide(evidence, budget, fault)
    if verdict is Verdict.FAIL and (busy := _busy(evidence, budget, fault)) >= _MACHINE_BUSY:
        verdict, observed = Verdict.INCONCLUSIVE, f"{observed}; the machine itself was busy to {busy:.0%} meanwhile"
    if verdict is Verdict.FAIL and fault.forced:
        verdict, observed = Verdict.INCONCLUSIVE, f"{observed}; {fault.forced}"
    allowed = f"{budget.recovery_s:.1f} s"
    message = f"recovery {observed} {sign} budget {allowed} {_context(evidence, fault)}"
    if evidence.band is not None and evidence.band.doubt and verdict is not Verdict.PASS:
        message += f"; {evidence.band.doubt}"
    return Finding("recovery", verdict, observed, allowed, fault.name, message)


def _busy(evidence: Evidence, budget: Budget, fault: FaultWindow) -> float:
    """Return how busy the machine was while recovery was due."""
    assert fault.healed_s is not None  # noqa: S101 - for the type checker: only healed ones are judged
    return evidence.machine_busy(fault.healed_s, fault.healed_s + budget.recovery_s)


def _decide(evidence: Evidence, budget: Budget, fault: FaultWindow) -> tuple[Verdict, str, str]:
    """Return the verdict, what was observed, and the sign between that and the budget."""
    parts = evidence.parts.get(fault)
    if parts is None:
        return Verdict.INCONCLUSIVE, "no baseline to recover to", "against"
    whole, latency = parts.whole, parts.latency
    left_out_s = {name: _left_out_s(evidence, name, parts, fault) for name in parts.judged}
    verdict = merge(_verdict(part, left_out_s[name], budget.recovery_s) for name, part in parts.judged.items())
    told = ", ".join(tell_parts(parts))
    if whole.recovery_s is None:
        if latency.recovery_s is None:
            windows = f"no {GOOD_MIN} good of {GOOD_OF} windows"
            told = windows if parts.lasting is None else f"{windows}: {told}"
        return verdict, f"> {whole.observed_s:.1f} s ({told})", "against"
    if parts.lasting is None:
        told = f"last bad {whole.last_bad_s:.1f} s"
    observed = f"{whole.recovery_s:.1f} s ({told})"
    if verdict is Verdict.INCONCLUSIVE:
        observed += f", {max(left_out_s.values()):.1f} s of it not seen: the generator was late"
    return verdict, observed, "<=" if whole.recovery_s <= budget.recovery_s else ">"


def _verdict(part: Recovery, left_out_s: float, budget_s: float) -> Verdict:
    if part.recovery_s is None:
        # Bad beyond the budget is a failure; good, but for too short a time, is too little seen.
        return Verdict.FAIL if part.last_bad_s > budget_s else Verdict.INCONCLUSIVE
    if part.recovery_s <= budget_s:
        return Verdict.PASS
    # What was left out lies between the last bad moment and the first good one: it may have been good.
    return Verdict.INCONCLUSIVE if part.recovery_s - left_out_s <= budget_s else Verdict.FAIL


def _left_out_s(evidence: Evidence, name: str, parts: Parts, fault: FaultWindow) -> float:
    """Return how long nobody saw anything before a part was over."""
    part = parts.judged[name]
    if name != "latency":
        return parts.unseen_s
    if part.recovery_s is None or fault.healed_s is None:
        return 0.0
    return evidence.left_out_s(fault.healed_s + part.last_bad_s, fault.healed_s + part.recovery_s)


def tell_parts(parts: Parts) -> list[str]:
    """Return each part in words."""
    told = []
    if parts.first_success is not None and parts.lasting is not None:
        told += tell_answers(parts.first_success, parts.lasting, interrupted=parts.interrupted)
    told.append(tell_part("latency", parts.latency))
    if parts.back is not None:
        told.append(tell_part("resources", parts.back) + (f" ({parts.slowest})" if parts.back.last_bad_s else ""))
    return told


def _parts(budget: Budget, fault: FaultWindow, parts: Parts) -> Iterator[Finding]:
    """Yield what the recovery was made of, and the verdict about resources where one is asked for."""
    told = ", ".join(tell_parts(parts))
    amid = f" (while {' and '.join(parts.amid)} was still there)" if parts.amid else ""
    message = f"recovery from {fault.name} in parts: {told}{amid}"
    yield Finding("recovery_parts", Verdict.PASS, told + amid, "not judged", fault.name, message)
    back, allowed_s = parts.back, budget.resources_recovery_s
    if allowed_s and back is not None:
        verdict = _verdict(back, 0.0, allowed_s)
        observed = format_s(back.recovery_s) if back.recovery_s is not None else f"> {format_s(back.last_bad_s)}"
        sign = "<=" if verdict is Verdict.PASS else ">" if verdict is Verdict.FAIL else "against"
        message = f"resources back {observed} ({parts.slowest}) {sign} budget {format_s(allowed_s)} ({fault.name})"
        yield Finding("resources_recovery", verdict, observed, format_s(allowed_s), fault.name, message)


def _canary(evidence: Evidence) -> Iterator[Finding]:
    """Yield that the canary itself failed, or did not see everything, where that is so."""
    for event in evidence.events:
        if event.kind == KIND and event.detail.get("step") == FAILED:
            told = f"the canary failed at {event.t_s:.1f} s: {event.detail.get('reason')}"
            yield Finding("recovery", Verdict.INCONCLUSIVE, told, "a canary that looks", "canary", told)
    if left_out := sum(word.left_out for word in evidence.words.values()):
        looks = sum(word.returned.looks for word in evidence.words.values())
        told = f"{left_out} looks of the canary left out, {looks} taken: the harness was late"
        yield Finding("recovery_canary", Verdict.PASS, told, "not judged", "canary", told)


def _together(evidence: Evidence) -> Iterator[Finding]:
    """Yield what several recoveries say together, as a whole and by part."""
    survival = summarise(evidence.recoveries.values())
    if survival is None or survival.recoveries < _SEVERAL:
        return
    told = str(survival)
    yield Finding("mttr", Verdict.PASS, told, "not judged", "all faults", f"recovery over all: {told}")
    # What a canary saw while another fault was there says nothing of a recovery.
    for name, part in _PARTS.items():
        seen = [part(parts) for parts in evidence.parts.values() if not parts.amid]
        survival = summarise(each for each in seen if each is not None)
        if survival is not None and survival.recoveries >= _SEVERAL:
            told = str(survival)
            yield Finding("mttr_parts", Verdict.PASS, told, "not judged", name, f"{name} over all: {told}")


def _context(evidence: Evidence, fault: FaultWindow) -> str:
    return f"({fault.name}, heal at {fault.healed_s:.1f} s, seed {evidence.seed})"
