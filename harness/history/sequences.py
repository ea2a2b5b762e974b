"""Did each subscription get every message once and in order, or was it told of what it missed?

That is what the channels promise: no silent loss. A gap that the system tells
of, or that lies within a subscriber's own absence, is counted and no failure
(the errors' budget has it); a number that is simply missing, that comes again,
or that comes behind a later one is, whatever was broken at the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.history.tally import Tally
from harness.records import Mark, Outcome, Sample
from harness.verdict import Finding, Verdict

CHECK = "sequences"
DELIVERY = "ws_delivery"
_WRONG = {
    Mark.SILENT_GAP: "missing without a word",
    Mark.DUPLICATE: "delivered again",
    Mark.LATE: "behind a later one",
}
_TOLD = {Mark.TOLD_GAP: "told to be missing", Mark.LOST_COUNT: "lost counts"}


class Sequences:
    """The messages of all subscriptions, folded into counts and a few examples."""

    __slots__ = ("tallies",)

    def __init__(self) -> None:
        self.tallies = {mark: Tally() for mark in (*_WRONG, *_TOLD)}

    def see(self, sample: Sample) -> None:
        """Take in one call with marks."""
        for mark, count in sample.marks:
            if mark in self.tallies:
                self.tallies[mark].note(f"{count} of user {sample.user} at {sample.done_s:.1f} s", count)

    def findings(self, totals: Mapping[tuple[str, Outcome], int]) -> list[Finding]:
        """Return one finding; `totals` count all calls by (operation, outcome). INCONCLUSIVE if nothing was delivered.

        A message behind a later one is among the missing as well: it was when the later one came.
        """
        delivered = totals.get((DELIVERY, Outcome.OK), 0)
        wrong = {words: self.tallies[mark] for mark, words in _WRONG.items() if self.tallies[mark]}
        told = {words: self.tallies[mark].count for mark, words in _TOLD.items() if self.tallies[mark]}
        observed = ", ".join(f"{tally.count} {words}" for words, tally in wrong.items()) or "none missing or again"
        message = ", ".join(
            [f"{delivered} delivered", observed, *(f"{count} {words}" for words, count in told.items())]
        )
        if wrong:
            verdict = Verdict.FAIL
            message += "; " + "; ".join(f"{words}: {tally}" for words, tally in wrong.items())
        else:
            verdict = Verdict.PASS if delivered else Verdict.INCONCLUSIVE
        allowed = "each once, in order, or told to be missing"
        return [Finding(CHECK, verdict, observed, allowed, "subscriptions", f"messages: {message}")]


def check_sequences(history: Iterable[Sample], totals: Mapping[tuple[str, Outcome], int]) -> list[Finding]:
    """Return the finding of a whole history, in any order."""
    seen = Sequences()
    for sample in history:
        seen.see(sample)
    return seen.findings(totals)
