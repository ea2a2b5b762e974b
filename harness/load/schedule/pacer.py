"""Lets each arrival go when it is due: never before, and after only by what the machine adds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import NamedTuple

from harness.load.call import now_ns
from harness.load.schedule.alarm import make_alarm

# Behind schedule the pacer would never end; it lets the replies in after this many arrivals.
_BURST = 32
# Waking costs as much as a request: arrivals this close leave together, the first of them that much late at most.
_GRAIN_NS = 500_000
_NS_PER_S = 1_000_000_000


class Arrival(NamedTuple):
    """One request that will be due `due_s` seconds after the load's start; `number` is unique in the run."""

    number: int
    due_s: float
    operation: str


class Pacer:
    """Calls `go(arrival, due_ns)` for each of `arrivals`, ascending, when it is due.

    `start_ns`, where they count from, is a reading of `now_ns`, and so is `due_ns`.
    `over` is set after the last; an error in the schedule ends it early and is kept
    in `failure`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        arrivals: Iterator[Arrival],
        go: Callable[[Arrival, int], None],
        *,
        start_ns: int,
    ) -> None:
        self._loop = loop
        self._arrivals = arrivals
        self._go = go
        self._start_ns = start_ns
        self._alarm = make_alarm(loop, self._ring)
        self._next = Arrival(0, 0.0, "")
        self._due_ns = 0
        self._closed = False
        self.over = asyncio.Event()
        self.failure: BaseException | None = None

    def begin(self) -> None:
        """Begin to wait for the first."""
        try:
            if self._advance():
                self._alarm.set(self._due_ns)
        except Exception as error:  # noqa: BLE001 - any error of the schedule must end the run, and be reported
            self._end(error)

    def close(self) -> None:
        """Let none go any more. Harmless when repeated."""
        if not self._closed:
            self._closed = True
            self._alarm.close()
            self.over.set()

    def _ring(self) -> None:
        try:
            self._let_go()
        except Exception as error:  # noqa: BLE001 - raised to the event loop it would only be logged
            self._end(error)

    def _let_go(self) -> None:
        if self._closed:
            return
        begun_ns = now_ns()
        for _ in range(_BURST):
            # Never early: a request that leaves before it is due would be measured as faster than it was.
            if self._due_ns > now_ns():
                self._alarm.set(max(self._due_ns, begun_ns + _GRAIN_NS))
                return
            self._go(self._next, self._due_ns)
            if not self._advance():
                return
        self._loop.call_soon(self._ring)

    def _advance(self) -> bool:
        """Take the next arrival; return False, and be over, when there is none."""
        try:
            self._next = next(self._arrivals)
        except StopIteration:
            self._end(None)
            return False
        self._due_ns = self._start_ns + round(self._next.due_s * _NS_PER_S)
        return True

    def _end(self, failure: Exception | None) -> None:
        self.failure = self.failure or failure
        self.over.set()
