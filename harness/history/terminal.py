"""Was every request answered exactly once, to its end?

A second reply is read as the answer to another request, and a request that a
whole reply leaves out waits without end. The clients count both where they can
tell them apart: a JSON-RPC batch by its ids, a stream by its end events, a
WebSocket by its requests' ids, HTTP by replies without a request.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.history.tally import Tally
from harness.records import UNASKED, Mark, Outcome, Sample
from harness.verdict import Finding, Verdict

CHECK = "terminal_replies"
_WORDS = {Mark.SECOND_REPLY: "second replies", Mark.NO_REPLY: "missing replies"}
_ANSWERED = frozenset({Outcome.OK, Outcome.SHED, Outcome.BAD_STATUS, Outcome.WRONG_REPLY})


class TerminalReplies:
    """Replies too many and replies too few, folded into counts and a few examples."""

    __slots__ = ("tallies",)

    def __init__(self) -> None:
        self.tallies = {mark: Tally() for mark in _WORDS}

    def see(self, sample: Sample) -> None:
        """Fold in one request with marks."""
        for mark, count in sample.marks:
            if mark in self.tallies:
                self.tallies[mark].note(f"{sample.operation} at {sample.done_s:.1f} s", count)

    def findings(self, totals: Mapping[tuple[str, Outcome], int]) -> list[Finding]:
        """Return one finding; `totals` count all requests by (operation, outcome). INCONCLUSIVE without an answer."""
        answered = sum(n for (op, outcome), n in totals.items() if outcome in _ANSWERED and op not in UNASKED)
        counts = {words: self.tallies[mark] for mark, words in _WORDS.items()}
        wrong = any(counts.values())
        verdict = Verdict.FAIL if wrong else Verdict.PASS if answered else Verdict.INCONCLUSIVE
        figures: dict[str, float | str] = {words.replace(" ", "_"): tally.count for words, tally in counts.items()}
        return [
            Finding.about(
                "replies to each request",
                check=CHECK,
                verdict=verdict,
                where="replies",
                observed=", ".join(f"{tally.count} {words}" for words, tally in counts.items())
                + f" of {answered} answered",
                allowed="1 reply to each request",
                limit="0",
                notes=[f"{words}: {tally}" for words, tally in counts.items() if tally],
                figures=figures | {"answered": answered},
            )
        ]
