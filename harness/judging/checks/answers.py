"""Registers the checks of what clients were answered, whose decisions `harness.history` folds as the run goes.

They register here because the history is part of the evidence: it cannot know the judge.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.history.acknowledged import LEDGER_WRITES
from harness.history.effects import check_effects
from harness.history.sequences import DELIVERY
from harness.judging.registry import Case, Check, register
from harness.records import Outcome
from harness.verdict import Result

# The operations that ask with a key, that send one key twice, and that read the cache.
_KEYED = LEDGER_WRITES | {"rpc_echo", "cache_get", "redis_get"}
_VERSIONED = frozenset({"cache_get", "redis_get"})
_REPEATED = "ledger_retry"
_CACHE_READS = "cache_get"


def _effects(case: Case) -> Sequence[Result]:
    return check_effects(case.evidence.found, repeated=case.evidence.totals[_REPEATED, Outcome.OK])


def _has_effects(case: Case) -> bool:
    found = case.evidence.found
    return _REPEATED in case.operations or (found is not None and found.effects is not None)


def _delivers(case: Case) -> bool:
    return DELIVERY in case.operations or any(operation == DELIVERY for operation, _ in case.evidence.totals)


register(Check("terminal_replies", 160, lambda case: case.evidence.history.terminal.findings(case.evidence.totals)))
register(
    Check(
        "acknowledged_writes",
        180,
        lambda case: case.evidence.history.writes.findings(case.evidence.found),
        applies=lambda case: bool(LEDGER_WRITES & case.operations),
    )
)
register(Check("effects", 190, _effects, applies=_has_effects))
register(
    Check(
        "reply_keys",
        200,
        lambda case: case.evidence.history.reply_keys.findings(),
        applies=lambda case: bool(_KEYED & case.operations or case.evidence.history.reply_keys.judged),
    )
)
register(
    Check(
        "stale_replies",
        210,
        lambda case: case.evidence.history.stale.findings(),
        applies=lambda case: bool(_VERSIONED & case.operations),
    )
)
register(
    Check(
        "cache_hits",
        220,
        lambda case: case.evidence.history.cache_hits.findings(case.budget),
        applies=lambda case: _CACHE_READS in case.operations,
    )
)
register(
    Check(
        "sequences",
        230,
        lambda case: case.evidence.history.sequences.findings(case.evidence.totals),
        applies=_delivers,
    )
)
