"""Did every fault take effect and heal, and did the services live through it?"""

from __future__ import annotations

from collections.abc import Sequence

from harness.judging.evidence import Evidence
from harness.judging.registry import Check, register
from harness.records import ENDING, Event, FaultWindow
from harness.verdict import Finding, Verdict

# The first sample of a service after it ended shows that; one whose figures come as a stream, the next.
_SAMPLES_TO_SEE = 2
# One sample finds it gone, the next asks for its new process, and the answer is there by the one after that.
_SAMPLES_TO_MEET = 3


def check_faults(evidence: Evidence) -> list[Finding]:
    """Return INCONCLUSIVE for each fault whose effect or heal no canary observed: its window proves nothing."""
    findings = []
    for fault in evidence.faults:
        note = f": {fault.note}" if fault.note else ""
        if fault.proved_s is None:
            verdict, observed = Verdict.INCONCLUSIVE, f"no effect observed{note}"
        elif fault.healed_s is None:
            verdict, observed = Verdict.INCONCLUSIVE, f"no heal observed{note}"
        else:
            verdict, observed = Verdict.PASS, f"effect at {fault.proved_s:.1f} s, healed at {fault.healed_s:.1f} s"
            observed += f" by force: {fault.forced}" if fault.forced else ""
        figures = {
            name: t_s
            for name, t_s in (
                ("injected_s", fault.injected_s),
                ("proved_s", fault.proved_s),
                ("healed_s", fault.healed_s),
            )
            if t_s is not None
        }
        message = f"fault {fault.name}: {observed}"
        allowed = "effect and heal observed"
        findings.append(Finding("faults", verdict, observed, allowed, fault.name, message, figures))
    played, planned = len(evidence.faults), evidence.planned_faults
    verdict = Verdict.PASS if played == planned else Verdict.INCONCLUSIVE
    message = f"faults injected: {played} of {planned} planned"
    figures = {"observed": played, "allowed": planned}
    observed, allowed = f"{played} injected", f"{planned} planned"
    return [*findings, Finding("faults", verdict, observed, allowed, "timeline", message, figures)]


def check_services_alive(evidence: Evidence) -> list[Finding]:
    """Return a failure for each time that a service ended unplanned, or was ended by a fault and did not come back."""
    if unmeasured := sorted(set(evidence.services) - set(evidence.series.memory)):
        names = ", ".join(unmeasured)
        message = f"{names}: alive to the end unknown, no process could be measured"
        return [
            Finding("services_alive", Verdict.INCONCLUSIVE, f"{names} not measured", "all measured", "stack", message)
        ]
    gone = [event for event in evidence.events if event.kind == "service_gone"]
    planned = _planned_ends(evidence, gone)
    findings = []
    for number, event in enumerate(gone):
        service, fault = str(event.detail["service"]), planned.get(number)
        if fault is None:
            observed = f"ended by itself at {event.t_s:.1f} s"
        elif not _came_back(evidence, service, event, fault):
            observed = f"ended by {fault.fault} at {event.t_s:.1f} s, not back by {_seen_by_s(evidence, fault):.1f} s"
        else:
            continue
        finding = Finding.about(
            service,
            check="services_alive",
            verdict=Verdict.FAIL,
            where=service,
            observed=observed,
            allowed="no unplanned end",
            notes=["its log is in the run folder"],
            figures={"ended_s": event.t_s},
        )
        findings.append(finding)
    if findings:
        return findings
    observed = f"all alive to the end{' but for planned ends' if planned else ''}"
    figures = {"services": len(evidence.services), "planned_ends": len(planned)}
    return [
        Finding("services_alive", Verdict.PASS, observed, "no unplanned end", "stack", f"services: {observed}", figures)
    ]


def _planned_ends(evidence: Evidence, gone: Sequence[Event]) -> dict[int, FaultWindow]:
    """Return which faults ended services, by the number of the event that records it: the first."""
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
    """Return whether a service that was ended was measured again, or its heal verified, at the very end."""
    again = [e.t_s for e in evidence.events if e.kind == "service_restarted" and e.detail.get("service") == service]
    if any(t_s >= gone.t_s for t_s in again):
        return True
    return fault.healed_s is not None and _samples_after_s(evidence, fault.healed_s)[_SAMPLES_TO_MEET:] == []


def _seen_by_s(evidence: Evidence, fault: FaultWindow) -> float:
    """Return when the effect of a fault on a service had been sampled: probes sample at intervals, some are late."""
    ends_s = evidence.load_end_s if fault.healed_s is None else fault.healed_s
    samples_s = _samples_after_s(evidence, ends_s)[:_SAMPLES_TO_SEE]
    return samples_s[-1] if samples_s else ends_s


def _samples_after_s(evidence: Evidence, t_s: float) -> list[float]:
    samples_s = evidence.series.t_s[evidence.series.sampled]
    return [float(sample_s) for sample_s in samples_s[samples_s >= t_s]]


register(Check("faults", 40, lambda case: check_faults(case.evidence)))
register(Check("services_alive", 50, lambda case: check_services_alive(case.evidence)))
