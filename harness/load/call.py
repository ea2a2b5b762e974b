"""One request on its way, and what an operation is: the contract between the engine, the clients and those who ask.

The engine makes a call, hands it to the operation and stamps it; the clients
note on it what they had to wait for and what went wrong, the operation what it
asked about and what the reply was about. A call that is given up at its
deadline so keeps what was noted before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter_ns
from typing import TypeVar

from harness.records import UNVERSIONED, Mark, Outcome, Sample

# Longer texts would be no labels any more: each different one takes memory for as long as the run lasts.
ERROR_CHARACTERS = 80
# The user of an arrival that has none.
NOBODY = -1
# Unless another is set: longer than a healthy service takes, shorter than a person waits.
DEADLINE_S = 3.0

_NS = 1e-9

C = TypeVar("C")


class Call:
    """What is known of one request.

    `number` is unique in the run; `user` is the number of the virtual user who
    asks, or NOBODY; `paced` says whether there was a moment to keep; it is given up
    `deadline_s` seconds after it was sent, or cancelled `cancel_s` after it (None:
    never). All `*_ns` are integers; `intended_ns`,
    `sent_ns` and `done_ns` count from the run's epoch, `connect_ns` and
    `acquire_ns` are durations within the time since `sent_ns`. `key`, `answer` and
    `error` as in Sample: an operation sets `key` before it asks, for it may never
    get to do so; so are `wrote`, `read`, `writer` and `marks`.
    """

    __slots__ = (
        "acquire_ns",
        "answer",
        "cancel_s",
        "connect_ns",
        "deadline_s",
        "done_ns",
        "error",
        "intended_ns",
        "key",
        "marks",
        "number",
        "operation",
        "outcome",
        "paced",
        "read",
        "sent_ns",
        "user",
        "writer",
        "wrote",
    )

    def __init__(
        self,
        operation: str,
        number: int,
        *,
        user: int = NOBODY,
        intended_ns: int = 0,
        deadline_s: float = DEADLINE_S,
        cancel_s: float | None = None,
        paced: bool = True,
    ) -> None:
        self.operation = operation
        self.number = number
        self.user = user
        self.deadline_s = deadline_s
        self.cancel_s = cancel_s
        self.paced = paced
        self.intended_ns = intended_ns
        self.sent_ns = intended_ns
        self.done_ns = intended_ns
        self.connect_ns = 0
        self.acquire_ns = 0
        self.outcome = Outcome.DROPPED
        self.key = ""
        self.answer = ""
        self.error = ""
        self.wrote = UNVERSIONED
        self.read = UNVERSIONED
        self.writer = ""
        self.marks: tuple[tuple[Mark, int], ...] = ()

    def mark(self, mark: Mark, count: int = 1) -> None:
        """Record that something was observed `count` times, beside the outcome."""
        self.marks = (*self.marks, (mark, count))

    def fail(self, outcome: Outcome, error: str | BaseException) -> Outcome:
        """Note in a short label why this call ended as it did, and return `outcome`."""
        text = type(error).__name__ if isinstance(error, BaseException) else error
        self.error = text[:ERROR_CHARACTERS]
        return outcome

    def sample(self) -> Sample:
        """Return the call as the frozen record that checkers read."""
        return Sample(
            self.operation,
            self.outcome,
            self.intended_ns * _NS,
            self.sent_ns * _NS,
            self.done_ns * _NS,
            self.key,
            self.answer,
            self.error,
            self.connect_ns * _NS,
            self.acquire_ns * _NS,
            self.user,
            self.wrote,
            self.read,
            self.writer,
            self.marks,
        )


# An operation asks for something through the clients `C`, notes on the call what it must, and returns how it ended.
# It is cancelled when the call is given up, and must let that pass.
Operation = Callable[[C, Call], Awaitable[Outcome]]


def now_ns() -> int:
    """Return the clock that every stamp of the load is taken from: monotonic integer nanoseconds."""
    return perf_counter_ns()
