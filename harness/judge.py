"""From what a run left behind to its findings: every check of the house, each guarded.

The order of the findings is the order in which a reader should doubt a run:
first whether it measured anything at all, then the faults, then what the
system did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.budget import Budget
from harness.checks.acknowledged import check_acknowledged
from harness.checks.faults import check_faults, check_recovery, check_services_alive
from harness.checks.load import check_dropped, check_errors, check_generator, check_latency, check_operations
from harness.checks.memory import check_memory_ceiling, check_memory_growth, check_process_growth
from harness.checks.replies import check_cache_hits, check_reply_keys
from harness.evidence import Evidence
from harness.records import Sample
from harness.verdict import Finding, guarded

# The operations whose acknowledged writes the final read looks for, and those that ask with a key.
LEDGER_WRITES = frozenset({"ledger_write", "pg_write"})
_CACHE_READS = "cache_get"
_KEYED = LEDGER_WRITES | {"rpc_echo", "cache_get", "redis_get"}


def judge(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return every finding about a run; a check that crashes is INCONCLUSIVE and stops no other.

    A check of certain operations is made where the load has them.
    """
    checks: dict[str, Callable[[], Sequence[Finding]]] = {
        "generator": lambda: check_generator(evidence),
        "operations": lambda: check_operations(evidence),
        "dropped_arrivals": lambda: check_dropped(evidence, budget),
        "faults": lambda: check_faults(evidence),
        "services_alive": lambda: check_services_alive(evidence),
        "recovery": lambda: check_recovery(evidence, budget),
        "errors": lambda: check_errors(evidence, budget),
        "latency": lambda: check_latency(evidence, budget),
        "memory_growth": lambda: check_memory_growth(evidence, budget),
        "process_growth": lambda: check_process_growth(evidence),
        "memory_ceiling": lambda: check_memory_ceiling(evidence, budget),
    }
    if LEDGER_WRITES.intersection(evidence.operations):
        checks["acknowledged_writes"] = lambda: check_acknowledged(_writes(evidence), evidence.found)
    if evidence.history or _KEYED.intersection(evidence.operations):
        checks["reply_keys"] = lambda: check_reply_keys(evidence.history)
    if _CACHE_READS in evidence.operations:
        checks["cache_hits"] = lambda: check_cache_hits(evidence.history, budget)
    findings = list(evidence.trouble)
    for check, decide in checks.items():
        findings += guarded(check, decide)
    return findings


def _writes(evidence: Evidence) -> list[Sample]:
    return [sample for sample in evidence.history if sample.operation in LEDGER_WRITES]
