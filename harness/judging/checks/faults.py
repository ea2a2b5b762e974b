"""Did every fault take effect and heal, and did the services live through it?"""

from __future__ import annotations

from collections.abc import Sequence

from harness.judging.evidence import Evidence
from harness.records import ENDING, Event, FaultWindow
from harness.verdict import Finding, Verdict

# The first look at a service after it ended sees that; one whose figures come as a stream, the next.
_LOOKS_TO_SEE = 2
# One look finds it gone, the next asks who it is now, and the answer is there by the one after that.
_LOOKS_TO_MEET = 3


def check_faults(evidence: Evidence) -> list[Finding]:
    """Return INCONCLUSIVE for each fault whose effect or heal no canary saw: its window proves nothing."""
    findings = []
    for fault in evidence.faults:
        if fault.proved_s is None:
            verdict, observed = Verdict.INCONCLUSIVE, f"no effect seen: {fault.note}"
        elif fault.healed_s is None:
            verdict, observed = Verdict.INCONCLUSIVE, f"not seen to heal: {fault.note}"
        else:
            verdict, observed = Verdict.PASS, f"proved at {fault.proved_s:.1f} s, healed at {fault.healed_s:.1f} s"
            observed += f" by force: {fault.forced}" if fault.forced else ""
        allowed = "effect and heal both seen by a canary"
        findings.append(Finding("faults", verdict, observed, allowed, fault.name, f"fault {fault.name}: {observed}"))
    played, planned = len(evidence.faults), evidence.planned_faults
    verdict = Verdict.PASS if played == planned else Verdict.INCONCLUSIVE
    told = f"{played} of {planned} planned faults were played"
    return [*findings, Finding("faults", verdict, f"{played} played", f"{planned} planned", "timeline", told)]


def check_services_alive(evidence: Evidence) -> list[Finding]:
    """Return a failure for each time that a service ended and was not meant to, or was and never came back."""
    if unseen := sorted(set(evidence.services) - set(evidence.series.memory)):
        names = ", ".join(unseen)
        told = f"whether {names} lived through the run was not seen: no process of it could be measured"
        return [Finding("services_alive", Verdict.INCONCLUSIVE, f"{names} not seen", "all seen", "stack", told)]
    gone = [event for event in evidence.events if event.kind == "service_gone"]
    planned = _planned_ends(evidence, gone)
    findings = []
    for number, event in enumerate(gone):
        service, fault = str(event.detail["service"]), planned.get(number)
        if fault is None:
            told = f"ended by itself at {event.t_s:.1f} s"
        elif not _came_back(evidence, service, event, fault):
            told = f"was ended by {fault.fault} and had not come back by {_seen_by_s(evidence, fault):.1f} s"
        else:
            continue
        observed, allowed = f"ended at {event.t_s:.1f} s", "alive to the end"
        message = f"{service} {told}; its log is in the run folder"
        findings.append(Finding("services_alive", Verdict.FAIL, observed, allowed, service, message))
    if findings:
        return findings
    told = f"every service lived through the run{', but for planned ends' if planned else ''}"
    return [Finding("services_alive", Verdict.PASS, "all", "all", "stack", told)]


def _planned_ends(evidence: Evidence, gone: Sequence[Event]) -> dict[int, FaultWindow]:
    """Return which faults ended services, by the number of the event that tells of it: the first."""
    planned: dict[int, FaultWindow] = {}
    for fault in evidence.faults:
        if fault.fault not in ENDING:
            continue
        ends_s = _seen_by_s(evidence, fault)
        for number, event in enumerate(gone):
            its_own = event.detail["service"] == fault.target and fault.injected_s <= event.t_s <= ends_s
            if its_own and number not in planned:
                planned[number] = fault
                break
    return planned


def _came_back(evidence: Evidence, service: str, gone: Event, fault: FaultWindow) -> bool:
    """Return whether a service that was ended was met again, or seen to run by whoever healed it, at the very end."""
    again = [e.t_s for e in evidence.events if e.kind == "service_restarted" and e.detail.get("service") == service]
    if any(t_s >= gone.t_s for t_s in again):
        return True
    return fault.healed_s is not None and _looks_after_s(evidence, fault.healed_s)[_LOOKS_TO_MEET:] == []


def _seen_by_s(evidence: Evidence, fault: FaultWindow) -> float:
    """Return when whatever a fault did to a service had been seen: probes look now and then, some of them late."""
    ends_s = evidence.load_end_s if fault.healed_s is None else fault.healed_s
    looks_s = _looks_after_s(evidence, ends_s)[:_LOOKS_TO_SEE]
    return looks_s[-1] if looks_s else ends_s


def _looks_after_s(evidence: Evidence, t_s: float) -> list[float]:
    looks_s = evidence.series.t_s[evidence.series.sampled]
    return [float(look_s) for look_s in looks_s[looks_s >= t_s]]
