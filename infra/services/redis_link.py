"""The way to Redis: a bounded pool, one deadline for each call, and a circuit breaker.

Retries are off, for they would hide faults and multiply load. The deadline
cancels the call, and a cancelled call drops its connection: a reply that
comes late must never be read as the answer to somebody else's question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from .breaker import Breaker, BreakerOpen
from .replies import Unavailable

T = TypeVar("T")

DEADLINE_S = 1.0
POOL_MOST = 20
# An error that Redis itself answered (READONLY, OOM) says that the link is fine, so it does not count.
LINK_ERRORS = (RedisConnectionError, RedisTimeoutError, OSError, TimeoutError)
ERRORS = (RedisError, OSError, TimeoutError)


def connect(url: str, *, most: int) -> Any:
    """Return a client of at most `most` connections that never retries; its caller sets deadlines."""
    pool = ConnectionPool.from_url(
        url,
        max_connections=most,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=DEADLINE_S,
        # None: the caller's deadline is the one limit, and cancelling is what drops the connection.
        socket_timeout=None,
        # The plain protocol needs no handshake, so a reconnect costs no round trip.
        protocol=2,
        driver_info=None,
    )
    return Redis(connection_pool=pool)


class RedisLink:
    """One process's calls to Redis."""

    def __init__(self, url: str, *, stuck_open: bool) -> None:
        self.breaker = Breaker("redis", failures=LINK_ERRORS, stuck_open=stuck_open)
        self._client = connect(url, most=POOL_MOST)
        # Waits here are fair and survive cancellation; the client's own pool would refuse at once.
        self._slots = asyncio.Semaphore(POOL_MOST)
        self._waiting = 0

    async def call(self, operation: Callable[[Any], Awaitable[T]]) -> T:
        """Return what `operation(client)` returns, within DEADLINE_S seconds. Raises Unavailable."""
        try:
            with self.breaker.guard():
                return await self._bounded(operation)
        except BreakerOpen as error:
            raise Unavailable("redis", "circuit breaker open") from error
        except ERRORS as error:
            raise Unavailable("redis", _words(error)) from error

    async def check(self) -> None:
        """Ask Redis for one answer now, whatever the breaker holds. Raises Unavailable."""
        try:
            await self._bounded(_ping)
        except ERRORS as error:
            raise Unavailable("redis", _words(error)) from error

    async def _bounded(self, operation: Callable[[Any], Awaitable[T]]) -> T:
        async with asyncio.timeout(DEADLINE_S):
            self._waiting += 1
            try:
                await self._slots.acquire()
            finally:
                self._waiting -= 1
            try:
                return await operation(self._client)
            finally:
                self._slots.release()

    async def close(self) -> None:
        """Drop every connection."""
        await self._client.aclose(close_connection_pool=True)

    @property
    def size(self) -> int:
        """Connections that are open."""
        pool = self._client.connection_pool
        return sum(c.is_connected for c in [*pool._get_free_connections(), *pool._get_in_use_connections()])  # noqa: SLF001 - redis-py has no public count

    @property
    def idle(self) -> int:
        """Connections that are open and not in use."""
        return sum(c.is_connected for c in self._client.connection_pool._get_free_connections())  # noqa: SLF001 - as above

    @property
    def waiting(self) -> int:
        """Callers that wait for a connection."""
        return self._waiting


async def _ping(client: Any) -> None:
    await client.ping()


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}" if str(error) else f"no answer within {DEADLINE_S:g} s"
