"""The connections of a measured client: at most so many, each lent to one call at a time.

The libraries' own pools are not used: there the wait for a free connection and
the opening of a new one arrive as one figure, asyncpg's takes a task and a
round trip to give one back, and redis-py's refuses where it should wait. Here
a connection goes on only when it is certain that nothing is left on it; one
whose call was cancelled is dropped where it stands, for a rollback or a cancel
request might wait for a dead link, and a late reply be read as another's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

from harness.load.call import Call, now_ns
from harness.records import Outcome

C = TypeVar("C")
T = TypeVar("T")

# Longer than any lull within a load, short enough that what a burst opened is soon gone.
IDLE_S = 30.0
_NS_PER_S = 1e9


class Reply(NamedTuple, Generic[T]):
    """What came back: `value` is None where no whole reply did."""

    outcome: Outcome
    value: T | None = None


class Failure(NamedTuple):
    """The outcome that an error means for a call, and the short label for it."""

    outcome: Outcome
    label: str


class Wire(Protocol[C]):
    """How a protocol handles its connections. Only `connect` may wait for anything."""

    async def connect(self) -> C:
        """Return a new connection, within a limit of its own."""

    async def usable(self, connection: C) -> bool:
        """Whether a connection that lay idle is open still, and nothing came in on it."""

    def whole(self, connection: C, error: Exception | None) -> bool:
        """Whether a connection may go on after a call that ended with this error, or with none."""

    async def drop(self, connection: C) -> None:
        """Close a connection without a message to the other side; harmless when it is closed."""

    def judge(self, error: Exception, connection: C | None) -> Failure | None:
        """Return what an error means (no connection: connecting failed); None for one the system did not cause."""


class Connections(Generic[C]):
    """From none to `most` connections; beyond `least`, one that was idle for `idle_s` seconds is closed."""

    def __init__(self, wire: Wire[C], *, least: int, most: int, idle_s: float = IDLE_S) -> None:
        self._wire = wire
        self._least = least
        self._idle_ns = int(idle_s * _NS_PER_S)
        self._places = asyncio.Semaphore(most)
        self._open: set[C] = set()
        # The last one back is the first to go out, so that those beyond what is needed grow old at the other end.
        self._idle: deque[tuple[int, C]] = deque()

    @property
    def size(self) -> int:
        """Connections that are open, as far as is known."""
        return len(self._open)

    @property
    def idle(self) -> int:
        """Connections that are open and not lent."""
        return len(self._idle)

    async def use(self, call: Call, work: Callable[[C], Awaitable[T]]) -> Reply[T]:
        """Return what `work(connection)` returned, or how it failed, which is noted on the call.

        Waiting for a place is added to the call's `acquire_ns`, opening a connection
        to its `connect_ns`. An error that the system did not cause is a bug: raised.
        """
        places = self._places
        if places.locked():
            began_ns = now_ns()
            try:
                await places.acquire()
            finally:
                call.acquire_ns += now_ns() - began_ns
        else:
            await places.acquire()
        try:
            return await self._use(call, work)
        finally:
            places.release()

    async def _use(self, call: Call, work: Callable[[C], Awaitable[T]]) -> Reply[T]:
        connection = None
        try:
            connection = await self._take(call)
            value = await work(connection)
        except Exception as error:
            failure = self._wire.judge(error, connection)
            if failure is not None and connection is not None and self._wire.whole(connection, error):
                await self._give_back(connection)
            else:
                await self._drop(connection)
            if failure is None:
                raise
            return Reply(call.fail(*failure))
        except BaseException:
            await self._drop(connection)
            raise
        if self._wire.whole(connection, None):
            await self._give_back(connection)
        else:
            await self._drop(connection)
        return Reply(Outcome.OK, value)

    async def _take(self, call: Call) -> C:
        while self._idle:
            connection = self._idle.pop()[1]
            if await self._wire.usable(connection):
                return connection
            await self._drop(connection)
        began_ns = now_ns()
        try:
            connection = await self._wire.connect()
        finally:
            call.connect_ns += now_ns() - began_ns
        self._open.add(connection)
        return connection

    async def _give_back(self, connection: C) -> None:
        back_ns = now_ns()
        self._idle.append((back_ns, connection))
        while len(self._open) > self._least and back_ns - self._idle[0][0] > self._idle_ns:
            await self._drop(self._idle.popleft()[1])

    async def _drop(self, connection: C | None) -> None:
        if connection is not None:
            self._open.discard(connection)
            await self._wire.drop(connection)

    async def close(self) -> None:
        """Drop every connection at once, lent or not."""
        self._idle.clear()
        for connection in list(self._open):
            await self._drop(connection)
        # A transport leaves its loop on the loop's next iteration.
        await asyncio.sleep(0)


class PooledClient(Generic[C]):
    """A client over connections of its own, open for as long as it is entered; opening it connects nothing."""

    def __init__(self, wire: Wire[C], *, least: int, most: int, idle_s: float) -> None:
        self._connections = Connections(wire, least=least, most=most, idle_s=idle_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._connections.close()

    @property
    def size(self) -> int:
        """Connections that are open."""
        return self._connections.size

    @property
    def idle(self) -> int:
        """Connections that are open and not in use."""
        return self._connections.idle
