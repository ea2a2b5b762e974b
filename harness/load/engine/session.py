"""Sessions: what goes on for the whole load beside the arrivals, such as a user who thinks or a socket that listens.

A session is handed a desk and works until the load stops. All its calls are
stamped, recorded and counted exactly as the arrivals are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from harness.load.call import Call
from harness.records import Outcome

C = TypeVar("C")
C_co = TypeVar("C_co", covariant=True)


class Desk(Protocol[C_co]):
    """What a session may do; every method is for the load's own event loop."""

    @property
    def clients(self) -> C_co:
        """The clients that operations are given."""

    @property
    def stopping(self) -> bool:
        """Whether the load is ending: begin nothing new."""

    def now_ns(self) -> int:
        """Return nanoseconds since the run's epoch."""

    async def perform(self, operation: str, *, user: int, due_ns: int) -> Outcome:
        """Do a registered operation now, within its deadline, and record it as due at `due_ns`."""

    def begin(self, operation: str, *, user: int) -> Call:
        """Return a call that is due and sent now; the session itself ends it."""

    def end(self, call: Call, outcome: Outcome) -> None:
        """Stamp a call that `begin` returned as done now, and record it."""

    async def pause(self, duration_s: float) -> bool:
        """Let `duration_s` seconds pass; return False, at once, when the load is ending."""


Session = Callable[[Desk[C]], Awaitable[None]]
