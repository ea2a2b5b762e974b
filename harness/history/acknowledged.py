"""Is every acknowledged write still there, as it was written? The set check of a final read.

A write that was acknowledged must be found; one that timed out, was reset or
answered with an error may be found or not, for the work may have been done;
one that was never attempted must not be found. Both sides are bitmaps of key
numbers (`harness.history.keys`), so that a run of 48 h takes some ten megabytes a set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.history.keys import KeySet
from harness.history.ledger_read import LedgerRead
from harness.records import Outcome, Sample
from harness.verdict import Finding, Verdict

CHECK = "acknowledged_writes"
# The operations whose keys the final read looks for.
LEDGER_WRITES = frozenset({"ledger_write", "ledger_retry", "pg_write"})


class AcknowledgedWrites:
    """The outcomes of writes, folded into two sets: acknowledged, and open."""

    __slots__ = ("acknowledged", "open")

    def __init__(self) -> None:
        self.acknowledged = KeySet()
        self.open = KeySet()

    def see(self, write: Sample) -> None:
        """Fold in one write. Any outcome but OK leaves it open: a retry may succeed, the work may be done."""
        (self.acknowledged if write.outcome is Outcome.OK else self.open).add(write.key)

    def findings(self, found: LedgerRead | None) -> list[Finding]:
        """Return one finding, from the final read; None where there was none.

        Without a final read, or one acknowledged write, there is nothing to judge: INCONCLUSIVE. So it is where keys
        of a form of their own were too many to keep, unless what was kept already fails.
        """
        if found is None:
            return [self._finding(Verdict.INCONCLUSIVE, "undecided (no final read)")]
        wrong = {
            "lost": self.acknowledged.minus(found.keys).tally(),
            "unexpected": found.keys.minus(self.acknowledged, self.open).tally(),
            "changed": found.changed,
        }
        count = len(self.acknowledged)
        observed = ", ".join(f"{tally.count} {name}" for name, tally in wrong.items()) + f" of {count}"
        unkept = self.acknowledged.unkept + self.open.unkept + found.keys.unkept
        verdict, notes = Verdict.PASS, [f"{len(found.keys) - count} unacknowledged ones found as well"]
        if any(wrong.values()):
            verdict, notes = Verdict.FAIL, [f"{name}: {tally}" for name, tally in wrong.items() if tally]
        elif unkept:
            verdict, notes = Verdict.INCONCLUSIVE, [f"undecided: {unkept} keys without a number were not kept"]
        elif not count:
            verdict, notes = Verdict.INCONCLUSIVE, ["undecided: no write was acknowledged"]
        figures = {name: tally.count for name, tally in wrong.items()}
        return [self._finding(verdict, observed, notes, figures | {"acknowledged": count, "found": len(found.keys)})]

    def _finding(
        self, verdict: Verdict, observed: str, notes: Sequence[str] = (), figures: Mapping[str, float] | None = None
    ) -> Finding:
        return Finding.about(
            "acknowledged writes",
            check=CHECK,
            verdict=verdict,
            where="ledger",
            observed=observed,
            allowed="0 lost, 0 unexpected, 0 changed",
            limit="0",
            notes=notes,
            figures={**(figures or {})},
        )
