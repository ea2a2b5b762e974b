"""Did each subscription get every message once and in order, or a notice of what it missed?

That is what the channels promise: no silent loss. A gap that the system
announces, or that lies within a subscriber's own absence, is counted and no
failure (the errors' budget has it); a number that is missing without notice,
that comes again, or that comes behind a later one is, during faults too.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.history.tally import Tally
from harness.records import Mark, Outcome, Sample
from harness.verdict import Finding, Verdict

CHECK = "sequences"
DELIVERY = "ws_delivery"
_WRONG = {
    Mark.SILENT_GAP: "missing without notice",
    Mark.DUPLICATE: "duplicated",
    Mark.LATE: "out of order",
}
_ANNOUNCED = {Mark.TOLD_GAP: "missing with notice", Mark.LOST_COUNT: "lost counts"}


class Sequences:
    """The messages of all subscriptions, folded into counts and a few examples."""

    __slots__ = ("tallies",)

    def __init__(self) -> None:
        self.tallies = {mark: Tally() for mark in (*_WRONG, *_ANNOUNCED)}

    def see(self, sample: Sample) -> None:
        """Fold in one call with marks."""
        for mark, count in sample.marks:
            if mark in self.tallies:
                self.tallies[mark].note(f"{count} of user {sample.user} at {sample.done_s:.1f} s", count)

    def findings(self, totals: Mapping[tuple[str, Outcome], int]) -> list[Finding]:
        """Return one finding; `totals` count all calls by (operation, outcome). INCONCLUSIVE if nothing was delivered.

        A message behind a later one is among the missing as well: it was when the later one came.
        """
        delivered = totals.get((DELIVERY, Outcome.OK), 0)
        wrong = {words: self.tallies[mark] for mark, words in _WRONG.items()}
        announced = {words: self.tallies[mark].count for mark, words in _ANNOUNCED.items() if self.tallies[mark]}
        bad = any(wrong.values())
        verdict = Verdict.FAIL if bad else Verdict.PASS if delivered else Verdict.INCONCLUSIVE
        counts = {words: tally.count for words, tally in wrong.items()}
        return [
            Finding.about(
                "messages delivered",
                check=CHECK,
                verdict=verdict,
                where="subscriptions",
                observed=", ".join(f"{n} {words}" for words, n in counts.items()) + f" of {delivered}",
                allowed="each once, in order, or announced as missing",
                limit="0",
                notes=[
                    *(f"{words}: {tally}" for words, tally in wrong.items() if tally),
                    *(f"{n} {words}" for words, n in announced.items()),
                ],
                figures={
                    words.replace(" ", "_"): n for words, n in {**counts, **announced, "delivered": delivered}.items()
                },
            )
        ]
