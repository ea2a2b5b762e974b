"""Did every fault take effect and heal, did the services live through it, and how long did recovery take?"""

from __future__ import annotations

from harness.budget import Budget
from harness.evidence import Evidence
from harness.stats.recovery import GOOD_MIN, GOOD_OF
from harness.stats.survival import summarise
from harness.verdict import Finding, Verdict


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
        allowed = "effect and heal both seen by a canary"
        findings.append(Finding("faults", verdict, observed, allowed, fault.name, f"fault {fault.name}: {observed}"))
    played, planned = len(evidence.faults), evidence.planned_faults
    verdict = Verdict.PASS if played == planned else Verdict.INCONCLUSIVE
    told = f"{played} of {planned} planned faults were played"
    return [*findings, Finding("faults", verdict, f"{played} played", f"{planned} planned", "timeline", told)]


def check_services_alive(evidence: Evidence) -> list[Finding]:
    """Return a failure for each service that ended during the run."""
    gone = [e for e in evidence.events if e.kind == "service_gone"]
    if unseen := sorted(set(evidence.services) - set(evidence.series.memory)):
        names = ", ".join(unseen)
        told = f"whether {names} lived through the run was not seen: no process of it could be measured"
        return [Finding("services_alive", Verdict.INCONCLUSIVE, f"{names} not seen", "all seen", "stack", told)]
    if not gone:
        return [Finding("services_alive", Verdict.PASS, "all", "all", "stack", "every service lived through the run")]
    return [
        Finding(
            "services_alive",
            Verdict.FAIL,
            f"ended at {e.t_s:.1f} s",
            "alive to the end",
            str(e.detail["service"]),
            f"{e.detail['service']} ended by itself at {e.t_s:.1f} s; its log is in the run folder",
        )
        for e in gone
    ]


def check_recovery(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return whether each fault's recovery kept the budget; one that was not seen to its end never passes.

    What several of them say together is told beside them and not judged.
    """
    findings = []
    for fault in evidence.faults:
        if fault.healed_s is None:
            continue  # the faults check has said so
        context = f"({fault.name}, heal at {fault.healed_s:.1f} s, seed {evidence.seed})"
        seen = evidence.recoveries.get(fault)
        if seen is None:
            verdict, observed, sign = Verdict.INCONCLUSIVE, "no baseline to recover to", "against"
        elif seen.recovery_s is None:
            # Bad beyond the budget is a failure; good, but for too few windows, is too little seen.
            late = seen.last_bad_s > budget.recovery_s
            verdict = Verdict.FAIL if late else Verdict.INCONCLUSIVE
            observed, sign = f"> {seen.observed_s:.1f} s (no {GOOD_MIN} good of {GOOD_OF} windows)", "against"
        else:
            verdict = Verdict.FAIL if seen.recovery_s > budget.recovery_s else Verdict.PASS
            observed = f"{seen.recovery_s:.1f} s (last bad {seen.last_bad_s:.1f} s)"
            sign = ">" if verdict is Verdict.FAIL else "<="
            # What was left out lies between the last bad window and the first good one: it may have been good.
            left_out_s = evidence.left_out_s(fault.healed_s + seen.last_bad_s, fault.healed_s + seen.recovery_s)
            if verdict is Verdict.FAIL and seen.recovery_s - left_out_s <= budget.recovery_s:
                verdict = Verdict.INCONCLUSIVE
                observed += f", {left_out_s:.1f} s of it not seen: the generator was late"
        allowed = f"{budget.recovery_s:.1f} s"
        message = f"recovery {observed} {sign} budget {allowed} {context}"
        if evidence.band is not None and evidence.band.doubt and verdict is not Verdict.PASS:
            message += f"; {evidence.band.doubt}"
        findings.append(Finding("recovery", verdict, observed, allowed, fault.name, message))
    survival = summarise(evidence.recoveries.values())
    if survival is not None and survival.recoveries > 1:
        told = str(survival)
        findings.append(Finding("mttr", Verdict.PASS, told, "not judged", "all faults", f"recovery over all: {told}"))
    if findings or evidence.faults:
        return findings or [
            Finding("recovery", Verdict.INCONCLUSIVE, "no heal", "a heal", "timeline", "no fault healed")
        ]
    return [Finding("recovery", Verdict.PASS, "none", "none", "timeline", "no fault to recover from")]
