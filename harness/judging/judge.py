"""From what a run left behind to its findings: every check of the house, each guarded.

The order of the findings is the order in which a reader should doubt a run:
first whether it measured anything at all, then the faults, then what the
system did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from harness.criteria.budget import Budget
from harness.criteria.observations import Observation
from harness.history.acknowledged import LEDGER_WRITES
from harness.history.effects import check_effects
from harness.history.sequences import DELIVERY
from harness.judging.checks.control import check_control
from harness.judging.checks.faults import check_faults, check_services_alive
from harness.judging.checks.growth import check_growth
from harness.judging.checks.latency import check_drift, check_latency
from harness.judging.checks.limits import check_limits
from harness.judging.checks.load import check_dropped, check_errors, check_generator, check_operations
from harness.judging.checks.memory import check_memory_ceiling, check_memory_rules
from harness.judging.checks.observed import check_observed
from harness.judging.checks.recovery import check_recovery
from harness.judging.checks.runtime import check_gc
from harness.judging.checks.sampled import SeriesSource
from harness.judging.checks.sessions import check_sessions
from harness.judging.evidence import Evidence
from harness.judging.holdings import residues
from harness.records import Outcome
from harness.verdict import Finding, guarded

Checks = Mapping[str, Callable[[], Sequence[Finding]]]

# The operations that ask with a key, that send one key twice, and that read the cache.
_KEYED = LEDGER_WRITES | {"rpc_echo", "cache_get", "redis_get"}
_VERSIONED = frozenset({"cache_get", "redis_get"})
_REPEATED = "ledger_retry"
_CACHE_READS = "cache_get"


def judge(
    evidence: Evidence, budget: Budget, source: SeriesSource, observations: Sequence[Observation] = ()
) -> list[Finding]:
    """Return every finding about a run; a check that crashes is INCONCLUSIVE and stops no other.

    `source` has the run's series; `observations` are what must have been seen for a pass to mean anything. A check of
    certain operations is made where the load has them.
    """
    checks = {**_of_the_run(evidence, budget), **_of_series(evidence, budget, source), **_of_replies(evidence, budget)}
    if observations:
        checks = {"must_observe": lambda: check_observed(source, evidence.events, observations), **checks}
    findings = list(evidence.trouble)
    for check, decide in checks.items():
        findings += guarded(check, decide)
    return findings


def _of_the_run(evidence: Evidence, budget: Budget) -> Checks:
    return {
        "generator": lambda: check_generator(evidence),
        "operations": lambda: check_operations(evidence),
        "dropped_arrivals": lambda: check_dropped(evidence, budget),
        "faults": lambda: check_faults(evidence),
        "services_alive": lambda: check_services_alive(evidence),
        "recovery": lambda: check_recovery(evidence, budget),
        "errors": lambda: check_errors(evidence, budget),
        "latency": lambda: check_latency(evidence, budget),
    }


def _of_series(evidence: Evidence, budget: Budget, source: SeriesSource) -> Checks:
    checks: dict[str, Callable[[], Sequence[Finding]]] = {
        "growth": lambda: check_growth(evidence, budget),
        "memory_ceiling": lambda: check_memory_ceiling(evidence, budget),
    }
    lasted_s = evidence.load_end_s - evidence.warm_s
    if lasted_s >= budget.growth_decides_after_s:
        checks["memory_rules"] = lambda: check_memory_rules(evidence, budget)
    if lasted_s >= budget.drift_decides_after_s:
        checks["latency_drift"] = lambda: check_drift(evidence, budget)
    if evidence.control is not None:
        checks["control"] = lambda: check_control(evidence, budget)
    if any(name.startswith("runtime.") and name.endswith(".gc_collected") for name in source.names()):
        checks["gc"] = lambda: check_gc(source, budget)
    if limits := budget.limits(lasted_s):
        checks["limits"] = lambda: check_limits(source, limits)
    return checks


def _of_replies(evidence: Evidence, budget: Budget) -> Checks:
    history, operations = evidence.history, frozenset(evidence.operations)
    checks: dict[str, Callable[[], Sequence[Finding]]] = {
        "terminal_replies": lambda: history.terminal.findings(evidence.totals),
    }
    if evidence.settle is not None:
        checks["sessions"] = lambda: check_sessions(*residues(evidence), grace_s=evidence.grace_s)
    if LEDGER_WRITES & operations:
        checks["acknowledged_writes"] = lambda: history.writes.findings(evidence.found)
    if _REPEATED in operations or (evidence.found is not None and evidence.found.effects is not None):
        repeated = evidence.totals[_REPEATED, Outcome.OK]
        checks["effects"] = lambda: check_effects(evidence.found, repeated=repeated)
    if _KEYED & operations or history.reply_keys.judged:
        checks["reply_keys"] = history.reply_keys.findings
    if _VERSIONED & operations:
        checks["stale_replies"] = history.stale.findings
    if _CACHE_READS in operations:
        checks["cache_hits"] = lambda: history.cache_hits.findings(budget)
    if DELIVERY in operations or any(operation == DELIVERY for operation, _ in evidence.totals):
        checks["sequences"] = lambda: history.sequences.findings(evidence.totals)
    return checks
