"""The PostgreSQL pool: a deadline on everything, and a floor that comes back by itself.

Waiting for a connection, using it and giving it back are each bounded, so a
database that hangs costs a caller seconds and never a hung request. A
connection whose work did not end cleanly is dropped, not reset: asking a link
that may be dead for a rollback would hang in its turn, and the server rolls
back alone when the connection goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import asyncpg

from .backoff import Backoff
from .replies import Unavailable

ACQUIRE_S = 1.0
QUERY_S = 5.0
_RELEASE_S = 1.0
# A connection beyond the floor goes after this much idleness: a burst leaves nothing behind for long.
_IDLE_S = 10.0
# How soon a lost floor is noticed; less than the idleness that ends a connection.
_KEEP_EVERY_S = 0.5
_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_SERVER_SETTINGS = {
    "application_name": "heavyweather-api",
    # The server gives up too, when our end of a cut link cannot tell it to.
    "statement_timeout": "5s",
    "idle_in_transaction_session_timeout": "5s",
}


class Pool:
    """Connections to one database, from `least` to `most` of them; `schema` is run once before it is ready."""

    def __init__(self, dsn: str, *, least: int, most: int, schema: str, backoff: Backoff) -> None:
        self._dsn = dsn
        self._least = least
        self._most = most
        self._schema = schema
        self._backoff = backoff
        self._pool: Any = None
        self._prepared = False
        self._waiting = 0

    async def open(self) -> None:
        """Make the pool; connects to nothing yet, so it cannot fail for want of a server."""
        self._pool = await asyncpg.create_pool(
            self._dsn,
            # Zero: asyncpg would have to connect before it returns, and restores its floor up to a minute late.
            min_size=0,
            max_size=self._most,
            max_inactive_connection_lifetime=_IDLE_S,
            command_timeout=QUERY_S,
            server_settings=_SERVER_SETTINGS,
            reset=_keep_session,
        )

    def close(self) -> None:
        """Drop every connection at once."""
        if self._pool is not None:
            self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Lend a connection for at most QUERY_S seconds. Raises Unavailable for whatever the database does."""
        connection = await self.acquire()
        try:
            async with asyncio.timeout(QUERY_S):
                yield connection
        except BaseException as error:
            _drop(connection)
            if isinstance(error, _ERRORS):
                raise Unavailable("postgres", _words(error)) from error
            raise
        finally:
            await self._release(connection)

    async def acquire(self) -> Any:
        """Return a connection that the caller must release. Raises Unavailable after ACQUIRE_S seconds."""
        self._waiting += 1
        try:
            async with asyncio.timeout(ACQUIRE_S):
                return await self._pool.acquire()
        except TimeoutError as error:
            raise Unavailable("postgres", f"no connection within {ACQUIRE_S:g} s") from error
        except _ERRORS as error:
            raise Unavailable("postgres", _words(error)) from error
        finally:
            self._waiting -= 1

    async def _release(self, connection: Any) -> None:
        try:
            await self._pool.release(connection, timeout=_RELEASE_S)
        except _ERRORS:
            # The caller's work is done either way.
            _drop(connection)

    async def keep(self) -> None:
        """Prepare the schema, then hold the pool at its floor, for as long as the service lives."""
        while True:
            try:
                await self._prepare()
                await self._fill()
            except Unavailable:
                await asyncio.sleep(self._backoff.next_s())
            else:
                self._backoff.reset()
                await asyncio.sleep(_KEEP_EVERY_S)

    async def _prepare(self) -> None:
        if not self._prepared:
            async with self.connection() as connection:
                await connection.execute(self._schema)
            self._prepared = True

    async def _fill(self) -> None:
        in_use = self.size - self.idle
        async with AsyncExitStack() as held:
            # Live ones are lent first: holding the floor opens what is missing and keeps the rest from idling out.
            for _ in range(self._least - in_use):
                await held.enter_async_context(self.connection())

    async def check(self) -> None:
        """Ask the database for one answer. Raises Unavailable."""
        if not self._prepared:
            raise Unavailable("postgres", "schema not prepared yet")
        async with self.connection() as connection:
            await connection.fetchval("SELECT 1")

    @property
    def size(self) -> int:
        """Connections that are open."""
        return int(self._pool.get_size()) if self._pool else 0

    @property
    def idle(self) -> int:
        """Connections that are open and not lent."""
        return int(self._pool.get_idle_size()) if self._pool else 0

    @property
    def most(self) -> int:
        """Connections that it may open."""
        return self._most

    @property
    def waiting(self) -> int:
        """Callers that wait for a connection."""
        return self._waiting


async def _keep_session(_connection: Any) -> None:
    """Leave the session as it is: no query of ours changes it, and the usual reset costs a round trip."""


def _drop(connection: Any) -> None:
    # A connection that the server closed has left the pool already, and says so with this error.
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


def _words(error: BaseException) -> str:
    text = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
