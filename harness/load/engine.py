"""The open-model engine: requests leave when they are due, whatever became of those before.

It runs its own event loop in its own thread and does as little as it can
there: it compares the schedule with the clock, starts operations and stamps
them. Everything else (histograms, journal, checks) happens where the samples
are taken from, off this loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from harness.load.http import HttpClient
from harness.load.mix import Operation
from harness.records import Outcome, Sample

# Behind schedule the pacer would never await; it lets the replies in after this many arrivals.
_BURST = 32
# uvloop's timers go in whole milliseconds and may end early; a shorter sleep would only spin.
_STEP_S = 0.001


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What the engine plays.

    `arrivals` are seconds from the load's start, ascending; `names` gives each
    arrival its operation; at most `in_flight_max` requests wait for their
    replies at once, and an arrival beyond that is dropped and counted.
    """

    arrivals: Iterator[float]
    names: Iterator[str]
    operations: Mapping[str, Operation]
    connect: Callable[[], AbstractAsyncContextManager[HttpClient]]
    in_flight_max: int


class Engine:
    """Plays one load plan; `epoch_s` is the `perf_counter` reading that all its stamps count from."""

    def __init__(self, plan: LoadPlan, *, epoch_s: float) -> None:
        self._plan = plan
        self._epoch_s = epoch_s
        self._samples: deque[Sample] = deque()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pacer: asyncio.Task[None] | None = None
        self._begun = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.offered = 0
        self.failure: BaseException | None = None

    @property
    def in_flight(self) -> int:
        """How many requests wait for their replies now."""
        return len(self._tasks)

    def start(self) -> None:
        """Begin the schedule; returns once it has begun."""
        self._thread.start()
        self._begun.wait()

    def stop(self, *, drain_s: float) -> bool:
        """End the arrivals, give requests in flight `drain_s` seconds, and return whether all of them ended.

        Harmless before `start` and when called again.
        """
        if self._thread.ident is None:
            return True
        if self._loop is not None and self._pacer is not None and not self._pacer.done():
            with contextlib.suppress(RuntimeError):  # the loop closed by itself in the meantime
                self._loop.call_soon_threadsafe(self._pacer.cancel)
        self._thread.join(drain_s)
        return not self._thread.is_alive()

    def take(self) -> list[Sample]:
        """Return the samples that ended since the last call, in the order they ended."""
        return [self._samples.popleft() for _ in range(len(self._samples))]

    def _now_s(self) -> float:
        return time.perf_counter() - self._epoch_s

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_fast_loop()) as runner:
                runner.run(self._play())
        except Exception as error:  # noqa: BLE001 - whatever ended the load, the run must say so, not this thread
            self.failure = error
        finally:
            self._begun.set()

    async def _play(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with self._plan.connect() as client:
            self._pacer = asyncio.create_task(self._pace(client))
            self._begun.set()
            await asyncio.wait([self._pacer])
            if not self._pacer.cancelled() and (error := self._pacer.exception()) is not None:
                self.failure = error
            while self._tasks:
                await asyncio.wait(self._tasks)

    async def _pace(self, client: HttpClient) -> None:
        plan = self._plan
        start_s = self._now_s()
        for number, (offset_s, name) in enumerate(zip(plan.arrivals, plan.names, strict=False)):
            due_s = start_s + offset_s
            # Never early: a request that leaves before it is due would look faster than it was.
            while (ahead_s := due_s - self._now_s()) > 0:  # noqa: ASYNC110 - a clock sets no event
                await asyncio.sleep(max(ahead_s, _STEP_S))
            if number % _BURST == 0:
                await asyncio.sleep(0)
            self.offered += 1
            if len(self._tasks) >= plan.in_flight_max:
                now_s = self._now_s()
                self._samples.append(Sample(name, Outcome.DROPPED, due_s, now_s, now_s))
                continue
            task = asyncio.create_task(self._send(client, name, number, due_s))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(self, client: HttpClient, name: str, number: int, due_s: float) -> None:
        sent_s = self._now_s()
        try:
            ending = await self._plan.operations[name](client, number)
        except Exception as error:  # noqa: BLE001 - a bug in an operation must end the run, not vanish with its task
            self.failure = self.failure or error
            return
        self._samples.append(Sample(name, ending.outcome, due_s, sent_s, self._now_s(), ending.key, ending.answer))


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop factory where uvloop exists; it halves the cost of a request."""
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 - absent on Windows

    return uvloop.new_event_loop
