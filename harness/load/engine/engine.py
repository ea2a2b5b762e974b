"""The engine: requests leave when they are due, no matter how earlier ones ended.

It runs its own event loop in its own thread and does as little as it can
there: it compares the schedule with the clock, starts operations and stamps
them. Everything else (histograms, journal, checks) happens where its digests
are taken, off this loop. Sessions (users, sockets) run beside the arrivals and
share all of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Generic, TypeVar

from harness.errors import LoadError
from harness.load.call import DEADLINE_S, NOBODY, Call, Operation, now_ns
from harness.load.digest.digest import GENERATOR, Clock, Digest, Health
from harness.load.engine.dispatch import Dispatcher
from harness.load.engine.pauses import GcPauses
from harness.load.engine.session import Session
from harness.load.schedule.pacer import Arrival, Pacer
from harness.probes.processes.process import own_figures
from harness.records import Outcome

_NS_PER_S = 1_000_000_000
# Far above the number of any arrival: what sessions do is numbered from here.
SESSION_NUMBERS = 1 << 48

C = TypeVar("C")


@dataclass(frozen=True)
class Part(Generic[C]):
    """What one engine plays: a whole load, or its share of one.

    `arrivals` are in the order in which they are due; `connect` opens the clients
    that operations are given. A call that has not ended by its operation's deadline
    (seconds) is given up as timed out, and one for whose number `cancel_s` returns
    seconds is cancelled so long after it was sent. At most `in_flight_max` calls
    wait for their replies at once, and an arrival beyond that is dropped and
    counted. `sessions` each begin some seconds after the start; their calls are
    numbered from `session_numbers`.
    """

    arrivals: Iterator[Arrival]
    operations: Mapping[str, Operation[C]]
    connect: Callable[[], AbstractAsyncContextManager[C]]
    in_flight_max: int
    deadline_s: float = DEADLINE_S
    deadlines_s: Mapping[str, float] = field(default_factory=dict)
    cancel_s: Callable[[int], float | None] | None = None
    sessions: Sequence[tuple[float, Session[C]]] = ()
    session_numbers: Iterator[int] = field(default_factory=lambda: count(SESSION_NUMBERS))

    def call(self, operation: str, number: int, *, user: int, intended_ns: int, paced: bool = True) -> Call:
        """Return a call to one of the operations, with its deadline, and when it is cancelled."""
        return Call(
            operation,
            number,
            user=user,
            intended_ns=intended_ns,
            deadline_s=self.deadlines_s.get(operation, self.deadline_s),
            cancel_s=self.cancel_s(number) if self.cancel_s else None,
            paced=paced,
        )


class Engine(Generic[C]):
    """Plays one part; `epoch_s` is the `perf_counter` reading that all its stamps count from.

    The load begins `start_s` seconds after the epoch, or, where none is given, as soon as it can.
    """

    def __init__(self, part: Part[C], *, epoch_s: float, start_s: float | None = None) -> None:
        self._part = part
        self._epoch_ns = round(epoch_s * _NS_PER_S)
        self._start_s = start_s
        self._dispatcher = Dispatcher(part.operations, in_flight_max=part.in_flight_max, epoch_ns=self._epoch_ns)
        self._gc = GcPauses()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._begun = threading.Event()
        self._started = False
        self._stop_asked = threading.Event()
        self._pacer: Pacer | None = None
        self._failure: BaseException | None = None
        self._reported = 0
        self.offered = 0

    @property
    def clocks(self) -> Sequence[Clock]:
        """None but the run's own."""
        return ()

    @property
    def in_flight(self) -> int:
        """How many calls wait for their replies now."""
        return len(self._dispatcher.running)

    @property
    def failure(self) -> BaseException | None:
        """What ended the load, or one of its operations, that never should have."""
        paced = self._pacer.failure if self._pacer else None
        return self._failure or self._dispatcher.failure or paced

    @property
    def over(self) -> bool:
        """Whether everything that the part holds has been played and has ended."""
        return self._started and not self._thread.is_alive()

    def start(self) -> None:
        """Start the schedule; returns once it runs."""
        self._started = True
        self._thread.start()
        self._begun.wait()

    def stop(self, *, drain_s: float) -> bool:
        """End arrivals and sessions, give calls in flight `drain_s` seconds, and return whether all of them ended.

        Harmless before `start` and when called again.
        """
        # First: a start that was interrupted may not have come to the point where it can be signalled.
        self._stop_asked.set()
        if not self._started:
            return True
        if self._loop is not None and self._stopping is not None:
            with contextlib.suppress(RuntimeError):  # the loop closed by itself in the meantime
                self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(drain_s)
        return not self._thread.is_alive()

    def warm(self) -> None:
        """Take what is in memory now for what the load will hold to its end: garbage collections leave it out."""
        self._gc.freeze()

    def take(self) -> Digest:
        """Return what ended since the last call, and what it cost."""
        ended = self._dispatcher.ended
        calls = [ended.popleft() for _ in range(len(ended))]
        before, self._reported = self._reported, self.offered
        return Digest.of(calls, offered=self._reported - before, health={GENERATOR: self._health()})

    def _health(self) -> Health:
        own, pauses_ns = own_figures(), self._gc.take()
        return Health(own["cpu_s"], own["rss_bytes"], len(pauses_ns), max(pauses_ns, default=0) / _NS_PER_S)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_fast_loop()) as runner, self._gc:
                self._gc.freeze()
                runner.run(self._play())
        except BaseException as error:  # noqa: BLE001 - any end of the load is the run's to report, not this thread's
            self._failure = self._failure or error
        finally:
            self._begun.set()

    async def _play(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = stopping = asyncio.Event()
        if self._stop_asked.is_set():
            return
        async with self._part.connect() as clients:
            self._pacer = pacer = self._make_pacer(clients, self._loop)
            desk = _Desk(self._part, self._dispatcher, clients, stopping)
            sessions = [asyncio.create_task(desk.host(*session)) for session in self._part.sessions]
            for session in sessions:
                session.add_done_callback(self._note_end)
            sweeper = asyncio.create_task(self._dispatcher.sweep())
            played = _all(pacer.over.wait(), *sessions)
            stopped = asyncio.create_task(stopping.wait())
            pacer.begin()
            self._begun.set()
            ends: list[asyncio.Future[Any]] = [played, stopped]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            pacer.close()
            stopping.set()
            await asyncio.wait(ends)
            while self._dispatcher.running:
                await asyncio.wait([*self._dispatcher.running.values()])
            sweeper.cancel()

    def _note_end(self, session: asyncio.Task[None]) -> None:
        """Take a session that failed, or was not ended by the load, for a failure of the load, at once."""
        if session.cancelled():
            self._failure = self._failure or LoadError("a session was cancelled, and not by the load")
        else:
            self._failure = self._failure or session.exception()

    def _make_pacer(self, clients: C, loop: asyncio.AbstractEventLoop) -> Pacer:
        part, dispatcher, epoch_ns = self._part, self._dispatcher, self._epoch_ns

        def go(arrival: Arrival, due_ns: int) -> None:
            self.offered += 1
            call = part.call(arrival.operation, arrival.number, user=NOBODY, intended_ns=due_ns - epoch_ns)
            dispatcher.launch(clients, call, loop)

        start_ns = now_ns() if self._start_s is None else epoch_ns + round(self._start_s * _NS_PER_S)
        return Pacer(loop, self._part.arrivals, go, start_ns=start_ns)


class _Desk(Generic[C]):
    """What one engine lets its sessions do."""

    def __init__(self, part: Part[C], dispatcher: Dispatcher[C], clients: C, stopping: asyncio.Event) -> None:
        self._part = part
        self._dispatcher = dispatcher
        self._stopping = stopping
        self.clients = clients

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    async def host(self, begin_s: float, session: Session[C]) -> None:
        """Let a session begin after `begin_s` seconds, unless the load ends before."""
        if await self.pause(begin_s):
            await session(self)

    def now_ns(self) -> int:
        return self._dispatcher.now_ns()

    async def perform(self, operation: str, *, user: int, due_ns: int) -> Outcome:
        call = self._part.call(operation, next(self._part.session_numbers), user=user, intended_ns=due_ns)
        return await self._dispatcher.perform(self.clients, call)

    def begin(self, operation: str, *, user: int) -> Call:
        number = next(self._part.session_numbers)
        call = self._part.call(operation, number, user=user, intended_ns=self.now_ns(), paced=False)
        call.sent_ns = call.intended_ns
        return call

    def end(self, call: Call, outcome: Outcome) -> None:
        self._dispatcher.end(call, outcome)

    async def pause(self, duration_s: float) -> bool:
        if duration_s <= 0:
            await asyncio.sleep(0)  # others must come in, however little there is to wait for
        elif not self.stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(duration_s):
                    await self._stopping.wait()
        return not self.stopping


def _all(*waited: Awaitable[object]) -> asyncio.Future[list[object]]:
    """Return a future of all of them, done when the last has ended in any way."""
    return asyncio.gather(*waited, return_exceptions=True)


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop factory where uvloop exists; it halves the cost of a request."""
    try:
        import uvloop  # noqa: PLC0415 - absent on Windows, and where it was not built
    except ImportError:
        return None
    return uvloop.new_event_loop
