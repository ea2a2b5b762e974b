"""Does memory grow with the requests served, or beyond what a service may ever hold, and do its processes end?"""

from __future__ import annotations

import math

import numpy as np

from harness.budget import Budget
from harness.evidence import Evidence
from harness.stats.leak import Floats, Leak, decide_leak
from harness.units import format_bytes
from harness.verdict import Finding, Verdict

# Growth that a healthy process shows for reasons a run cannot see, as measured on the RSS of real services.
_WANDER_BYTES = 4e6
# A stalled link makes Toxiproxy buffer, so its memory says nothing about the system under test.
_NOT_JUDGED = frozenset({"toxiproxy"})
# Below this share of the samples there should be, the gauge was not really watched.
_PRESENT = 0.9
# A new process fills up within this many samples; further apart, a leak would pass for the size of a process.
_NEAR = 10
# A pool that was widened by a fault keeps its server processes for minutes: up to 20, the widest pool of the reference.
_WANDER_PROCESSES = 25
_FIFTHS = 5


def check_memory_growth(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return each service's leak verdict against cumulative requests, decided on the calm of the run."""
    calm = evidence.calm
    requests = np.cumsum(evidence.series.count())
    allowed = budget.memory_growth_bytes_per_request
    findings = []
    for service in sorted({*evidence.services, *evidence.series.memory} - _NOT_JUDGED):
        memory = evidence.series.memory.get(service, np.full(len(calm), np.nan))
        seen = calm & ~np.isnan(memory)
        if not seen.any():
            leak = Leak(Verdict.INCONCLUSIVE, math.nan, math.inf, "its memory could not be measured")
        elif seen.sum() < _PRESENT * calm.sum():
            reason = f"only {seen.sum()} of {calm.sum()} samples present"
            leak = Leak(Verdict.INCONCLUSIVE, math.nan, math.inf, reason)
        else:
            # A tick in which no request ended adds no point to a curve over requests.
            x, first = np.unique(requests[seen], return_index=True)
            processes = evidence.series.processes.get(service, np.zeros_like(memory))
            y = without_passing(memory[seen][first], processes[seen][first])
            leak = decide_leak(x, y, budget=allowed, wander=_WANDER_BYTES)
        findings.append(_finding(service, leak, allowed))
    return findings


def without_passing(memory: Floats, processes: Floats) -> Floats:
    """Return what `memory` would have been without the processes that ended again; shapes (n,).

    A service that forks a process for each connection holds more while a pool
    is wide, and that is no leak; what processes hold that never end may be one.
    A process counts as the median growth, over all pairs of near samples with
    different counts, for each process more.
    """
    counts = np.nan_to_num(processes)
    sizes = [np.empty(0)]
    for apart in range(1, min(_NEAR, len(counts) - 1) + 1):
        more, grown = counts[apart:] - counts[:-apart], memory[apart:] - memory[:-apart]
        sizes.append(grown[more != 0] / more[more != 0])
    size = np.concatenate(sizes)
    each = max(0.0, float(np.median(size))) if len(size) else 0.0
    # From here to the end there were never fewer: these have come to stay.
    lasting = np.minimum.accumulate(counts[::-1])[::-1]
    without: Floats = memory - each * (counts - lasting)
    return without


def _finding(service: str, leak: Leak, allowed: float) -> Finding:
    limit = f"{allowed:.0f} B/request"
    if math.isnan(leak.slope):
        message = f"memory of {service} against budget {limit}: {leak.reason}"
        return Finding("memory_growth", leak.verdict, leak.reason, limit, service, message)
    observed = f"{leak.slope:.0f} +- {leak.half_width:.0f} B/request"
    message = (
        f"memory of {service} grows {observed}, budget {limit}: {leak.reason}"
        f" (this run can show a leak of {leak.detectable:.0f} B/request)"
    )
    return Finding("memory_growth", leak.verdict, observed, limit, service, message)


def check_process_growth(evidence: Evidence) -> list[Finding]:
    """Return whether each service is back to about the number of processes (in a container: threads too) it began with.

    Processes that never end are a leak of their own, whatever they hold.
    """
    calm = evidence.calm
    findings = []
    for service, processes in evidence.series.processes.items():
        counts = processes[calm & ~np.isnan(processes)]
        allowed = f"at most {_WANDER_PROCESSES} more"
        if len(counts) < _FIFTHS:
            verdict, observed = Verdict.INCONCLUSIVE, f"{len(counts)} samples"
        else:
            fifths = np.array_split(counts, _FIFTHS)
            more = int(fifths[-1].min() - fifths[0].min())
            verdict, observed = Verdict.FAIL if more > _WANDER_PROCESSES else Verdict.PASS, f"{more:+d}"
        message = f"processes of {service} from the first to the last fifth of the run: {observed}, {allowed}"
        findings.append(Finding("process_growth", verdict, observed, allowed, service, message))
    return findings


def check_memory_ceiling(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return whether each service stayed below the most it may hold."""
    findings = []
    for service, memory in evidence.series.memory.items():
        peak = float(np.max(memory[~np.isnan(memory)]))
        verdict = Verdict.FAIL if peak > budget.memory_ceiling_bytes else Verdict.PASS
        observed, allowed = format_bytes(peak), format_bytes(budget.memory_ceiling_bytes)
        message = f"{service} held {observed} at most, ceiling {allowed}"
        findings.append(Finding("memory_ceiling", verdict, observed, allowed, service, message))
    return findings
