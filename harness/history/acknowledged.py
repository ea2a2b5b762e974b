"""Is every acknowledged write still there, as it was written? The set check of a final read.

A write that was acknowledged must be found; one that timed out, was reset or
answered with an error may be found or not, for the work may have been done;
one that nobody attempted must not be found. Both sides are bitmaps of key
numbers (`harness.history.keys`), so that a run of 48 h takes some ten megabytes a set.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from harness.history.keys import KeySet
from harness.history.ledger_read import LedgerRead
from harness.history.tally import Tally
from harness.records import Outcome, Sample
from harness.verdict import Finding, Verdict

CHECK = "acknowledged_writes"
# The operations whose keys the final read looks for.
LEDGER_WRITES = frozenset({"ledger_write", "ledger_retry", "pg_write"})


class AcknowledgedWrites:
    """What clients were told of their writes, folded into two sets: acknowledged, and open."""

    __slots__ = ("acknowledged", "open")

    def __init__(self) -> None:
        self.acknowledged = KeySet()
        self.open = KeySet()

    def see(self, write: Sample) -> None:
        """Take in one write. Any outcome but OK leaves it open: a later one may say OK, the work may be done."""
        (self.acknowledged if write.outcome is Outcome.OK else self.open).add(write.key)

    def findings(self, found: LedgerRead | None) -> list[Finding]:
        """Return one finding, from the final read; None if it never came.

        Without a final read, or one acknowledged write, there is nothing to judge: INCONCLUSIVE. So it is where keys
        of a form of their own were too many to keep, unless what was kept already fails.
        """
        if found is None:
            told = "acknowledged writes: the final read never came"
            return [Finding(CHECK, Verdict.INCONCLUSIVE, "no final read", "0 lost, 0 unexpected", "ledger", told)]
        wrong = {
            "lost": self.acknowledged.minus(found.keys).tally(),
            "unexpected": found.keys.minus(self.acknowledged, self.open).tally(),
            "changed": found.changed,
        }
        count = len(self.acknowledged)
        observed = f"{wrong['lost'].count} lost, {wrong['unexpected'].count} unexpected of {count} acknowledged"
        verdict, told = self._decide(found, {name: tally for name, tally in wrong.items() if tally}, observed)
        allowed = "0 lost, 0 unexpected, 0 changed"
        return [Finding(CHECK, verdict, observed, allowed, "ledger", f"acknowledged writes: {told}")]

    def _decide(self, found: LedgerRead, wrong: dict[str, Tally], observed: str) -> tuple[Verdict, str]:
        count = len(self.acknowledged)
        unkept = self.acknowledged.unkept + self.open.unkept + found.keys.unkept
        if wrong:
            return Verdict.FAIL, f"{observed}: " + "; ".join(f"{name} {tally}" for name, tally in wrong.items())
        if unkept:
            return Verdict.INCONCLUSIVE, f"{observed}, but {unkept} keys that do not end in a number found no room"
        if not count:
            return Verdict.INCONCLUSIVE, "no write was acknowledged, so none could be lost"
        recovered = len(found.keys) - count
        told = f"all {count} acknowledged writes found; {recovered} unacknowledged ones were done as well"
        return Verdict.PASS, told


def check_acknowledged(writes: Iterable[Sample], found: LedgerRead | Collection[str] | None) -> list[Finding]:
    """Return the finding of a whole history of writes, and of the keys that a final read found."""
    seen = AcknowledgedWrites()
    for write in writes:
        seen.see(write)
    return seen.findings(found if found is None or isinstance(found, LedgerRead) else LedgerRead(KeySet(found)))
