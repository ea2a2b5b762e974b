"""Checks of replies played over a whole history at once, as `harness.history.History` does one by one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from harness.history.acknowledged import AcknowledgedWrites
from harness.history.keys import KeySet
from harness.history.ledger_read import LedgerRead
from harness.history.replies import ReplyKeys
from harness.history.sequences import Sequences
from harness.history.terminal import TerminalReplies
from harness.history.versions import StaleReplies
from harness.records import Outcome, Sample
from harness.verdict import Finding

Totals = Mapping[tuple[str, Outcome], int]


def check_acknowledged(writes: Iterable[Sample], found: LedgerRead | Collection[str] | None) -> list[Finding]:
    """Return the finding of writes in any order, and of the keys that a final read found."""
    fold = AcknowledgedWrites()
    for write in writes:
        fold.see(write)
    return fold.findings(found if found is None or isinstance(found, LedgerRead) else LedgerRead(KeySet(found)))


def check_reply_keys(history: Iterable[Sample]) -> list[Finding]:
    """Return the finding of requests made with a key, in any order."""
    fold = ReplyKeys()
    for sample in history:
        fold.see(sample)
    return fold.findings()


def check_stale(history: Iterable[Sample], *, apart_s: float = 0.0) -> list[Finding]:
    """Return the finding of requests, best in the order in which they ended."""
    fold = StaleReplies(apart_s=apart_s)
    for sample in history:
        fold.see(sample)
    return fold.findings()


def check_sequences(history: Iterable[Sample], totals: Totals) -> list[Finding]:
    """Return the finding of calls in any order."""
    fold = Sequences()
    for sample in history:
        fold.see(sample)
    return fold.findings(totals)


def check_terminal(history: Iterable[Sample], totals: Totals) -> list[Finding]:
    """Return the finding of requests in any order."""
    fold = TerminalReplies()
    for sample in history:
        fold.see(sample)
    return fold.findings(totals)
