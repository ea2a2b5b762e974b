"""Starts calls, stamps them, and gives up those whose deadline has come or whose caller cancels them.

Deadlines are kept by a regular check of the calls in flight, oldest
first, instead of by a timer for each: that would cost a fifth of a request.
The few that are cancelled have one, for they must be given up at any moment.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Generic, TypeVar

from harness.load.call import Call, Operation, now_ns
from harness.records import Outcome

# Interval of the check for overdue calls: the grain of every deadline.
_SWEEP_S = 0.02
_NS_PER_S = 1_000_000_000
# What a call is until it has ended or was given up.
_OPEN = Outcome.DROPPED
_GIVEN_UP = (Outcome.TIMED_OUT, Outcome.CANCELLED)

C = TypeVar("C")


class Dispatcher(Generic[C]):
    """The calls of one load; made and used on its event loop, but for `ended`, `running` and `failure`, read anywhere.

    At most `in_flight_max` arrivals wait for their replies at once; stamps count
    from `epoch_ns`, a reading of `now_ns`.
    """

    def __init__(self, operations: Mapping[str, Operation[C]], *, in_flight_max: int, epoch_ns: int) -> None:
        self._operations = operations
        self._in_flight_max = in_flight_max
        self._epoch_ns = epoch_ns
        # Oldest first, apart for each deadline: so the first that still runs ends the check.
        self._by_deadline: dict[float, deque[tuple[int, Call]]] = {}
        self.running: dict[Call, asyncio.Task[object]] = {}
        self.ended: deque[Call] = deque()
        self.failure: BaseException | None = None

    def now_ns(self) -> int:
        """Return nanoseconds since the epoch."""
        return now_ns() - self._epoch_ns

    def launch(self, clients: C, call: Call, loop: asyncio.AbstractEventLoop) -> None:
        """Send a call that is due as a task of its own, or drop it for want of a slot."""
        if len(self.running) < self._in_flight_max:
            self.running[call] = loop.create_task(self._send(clients, call))
        else:
            call.sent_ns = self.now_ns()
            self.end(call, Outcome.DROPPED)

    async def perform(self, clients: C, call: Call) -> Outcome:
        """Do a call within the task that asks, and return how it ended."""
        task = asyncio.current_task()
        assert task is not None, "within a task"  # noqa: S101 - for the type checker
        self.running[call] = task
        await self._send(clients, call)
        if call.outcome in _GIVEN_UP and task.cancelling():
            task.uncancel()  # the cancellation was the call's, not the task's
        return call.outcome

    def end(self, call: Call, outcome: Outcome) -> None:
        """Stamp a call as done now, and record it."""
        call.done_ns = self.now_ns()
        call.outcome = outcome
        self.ended.append(call)

    async def sweep(self) -> None:
        """Give up overdue calls, for ever."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            now = self.now_ns()
            for waiting in self._by_deadline.values():
                while waiting:
                    limit_ns, call = waiting[0]
                    if call in self.running:
                        if limit_ns > now:
                            break
                        self._give_up(call, Outcome.TIMED_OUT)
                    waiting.popleft()

    def _give_up(self, call: Call, outcome: Outcome) -> None:
        """End a call that still waits, once."""
        task = self.running.get(call)
        if task is not None and call.outcome is _OPEN:
            call.outcome = outcome
            task.cancel()

    async def _send(self, clients: C, call: Call) -> None:
        call.sent_ns = sent_ns = now_ns() - self._epoch_ns
        waiting = self._by_deadline.get(call.deadline_s)
        if waiting is None:
            waiting = self._by_deadline[call.deadline_s] = deque()
        waiting.append((sent_ns + int(call.deadline_s * _NS_PER_S), call))
        if call.cancel_s is not None:
            asyncio.get_running_loop().call_later(call.cancel_s, self._give_up, call, Outcome.CANCELLED)
        try:
            outcome = await self._operations[call.operation](clients, call)
        except asyncio.CancelledError:
            if call.outcome is _OPEN:  # not given up: the whole task is cancelled
                raise
            outcome = call.outcome
        except Exception as error:  # noqa: BLE001 - a bug in an operation must end the run, not vanish with its task
            if call.outcome is _OPEN:  # given up, an operation may make of that what it likes
                self.failure = self.failure or error
                return
            outcome = call.outcome
        finally:
            del self.running[call]
        if call.outcome is not _OPEN:  # given up, with any result of the operation
            outcome = call.fail(call.outcome, "deadline" if call.outcome is Outcome.TIMED_OUT else "")
        self.end(call, outcome)
