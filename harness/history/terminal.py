"""Was every request answered exactly once, to its end?

A second reply is read as the answer to somebody else's question, and a
question that a whole reply leaves out waits for ever. The clients count both
where they can be told apart: a JSON-RPC batch by its ids, a stream by its end
events, a WebSocket by its questions' ids, HTTP by replies that nobody waits for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.history.tally import Tally
from harness.records import UNASKED, Mark, Outcome, Sample
from harness.verdict import Finding, Verdict

CHECK = "terminal_replies"
_WORDS = {Mark.SECOND_REPLY: "second replies", Mark.NO_REPLY: "questions left out of a whole reply"}
_ANSWERED = frozenset({Outcome.OK, Outcome.SHED, Outcome.BAD_STATUS, Outcome.WRONG_REPLY})


class TerminalReplies:
    """Replies too many and replies too few, folded into counts and a few examples."""

    __slots__ = ("tallies",)

    def __init__(self) -> None:
        self.tallies = {mark: Tally() for mark in _WORDS}

    def see(self, sample: Sample) -> None:
        """Take in one request with marks."""
        for mark, count in sample.marks:
            if mark in self.tallies:
                self.tallies[mark].note(f"{sample.operation} at {sample.done_s:.1f} s", count)

    def findings(self, totals: Mapping[tuple[str, Outcome], int]) -> list[Finding]:
        """Return one finding; `totals` count all requests by (operation, outcome). INCONCLUSIVE without an answer."""
        answered = sum(n for (op, outcome), n in totals.items() if outcome in _ANSWERED and op not in UNASKED)
        observed = ", ".join(f"{self.tallies[mark].count} {words}" for mark, words in _WORDS.items())
        told = f"{observed}, in {answered} requests that were answered"
        wrong = [f"{words}: {self.tallies[mark]}" for mark, words in _WORDS.items() if self.tallies[mark]]
        if wrong:
            verdict, told = Verdict.FAIL, f"{told}; {'; '.join(wrong)}"
        else:
            verdict = Verdict.PASS if answered else Verdict.INCONCLUSIVE
        message = f"terminal replies: {told}"
        return [Finding(CHECK, verdict, observed, "1 reply to each question", "replies", message)]


def check_terminal(history: Iterable[Sample], totals: Mapping[tuple[str, Outcome], int]) -> list[Finding]:
    """Return the finding of a whole history, in any order."""
    seen = TerminalReplies()
    for sample in history:
        seen.see(sample)
    return seen.findings(totals)
