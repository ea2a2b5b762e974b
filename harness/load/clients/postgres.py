"""The measured PostgreSQL client: one statement or one transaction, one outcome, and no retry anywhere.

One thing asyncpg repeats by itself: it prepares a statement again whose table
was altered meanwhile, which the server had refused to begin. TLS is used
where the DSN has an `sslmode`: without that word asyncpg would ask for it with
a round trip more, and try a refused connection a second time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import asyncpg

from harness.load.call import Call
from harness.load.clients.connections import IDLE_S, Failure, PooledClient, Reply
from harness.records import Outcome

T = TypeVar("T")
# asyncpg ships no types; an operation gets its Connection and its Records as they are.
Connection = Any
Work = Callable[[Connection], Awaitable[T]]

# too_many_connections, cannot_connect_now: the server is up and refuses for now.
_SHED_STATES = frozenset({"53300", "57P03"})
# Connection exceptions, admin_shutdown, crash_shutdown: from a server that closes, or from asyncpg when it did.
_ENDED_STATES = ("08", "57P01", "57P02")
_FATAL = frozenset({"FATAL", "PANIC"})
_SERVER_SETTINGS = {"application_name": "heavyweather-load"}


class PostgresClient(PooledClient[Connection]):
    """Calls to one database over at most `most` connections; opening the client connects nothing.

    Beyond `least` connections one that lay idle for `idle_s` seconds goes. The session is not reset between
    calls, for that costs a round trip: an operation leaves settings, locks and listeners as it found them.
    """

    def __init__(
        self, dsn: str, *, least: int = 5, most: int = 20, connect_deadline_s: float = 5.0, idle_s: float = IDLE_S
    ) -> None:
        super().__init__(_PostgresWire(dsn, connect_deadline_s), least=least, most=most, idle_s=idle_s)

    async def fetch(self, call: Call, sql: str, *arguments: object) -> Reply[list[Any]]:
        """Run one statement; the reply's value is the list of its asyncpg Records."""
        return await self._connections.use(call, lambda connection: connection.fetch(sql, *arguments))

    async def run(self, call: Call, work: Work[T]) -> Reply[T]:
        """Do `work(connection)` outside a transaction; the reply's value is what it returned."""
        return await self._connections.use(call, work)

    async def transact(self, call: Call, work: Work[T]) -> Reply[T]:
        """Do `work(connection)` between BEGIN and COMMIT; the reply's value is what it returned.

        OK means that the server answered COMMIT. Where the work raised what the server answered, ROLLBACK is
        sent within the same call; any other end drops the connection, and the server rolls back alone.
        """
        return await self._connections.use(call, lambda connection: _transaction(connection, work))


async def _transaction(connection: Connection, work: Work[T]) -> T:
    await connection.execute("BEGIN")
    try:
        value = await work(connection)
    except asyncpg.PostgresError as error:
        if _goes_on(error):
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                await connection.execute("ROLLBACK")
        raise
    # Asked to commit what has failed, the server rolls back and calls that no error.
    if (answer := await connection.execute("COMMIT")) != "COMMIT":
        raise asyncpg.InFailedSQLTransactionError(f"COMMIT was answered {answer}")
    return value


class _PostgresWire:
    """What asyncpg's connections can and cannot go on after."""

    def __init__(self, dsn: str, connect_deadline_s: float) -> None:
        self._options = {
            "dsn": dsn,
            "timeout": connect_deadline_s,
            "server_settings": _SERVER_SETTINGS,
            # Five minutes by default, and every statement would then cost a round trip more once in a while.
            "max_cached_statement_lifetime": 0,
            **({} if "sslmode" in dsn else {"ssl": False}),
        }

    async def connect(self) -> Connection:
        return await asyncpg.connect(**self._options)

    async def usable(self, connection: Connection) -> bool:
        return not connection.is_closed()

    def whole(self, connection: Connection, error: Exception | None) -> bool:
        return (error is None or _goes_on(error)) and not connection.is_closed() and not connection.is_in_transaction()

    async def drop(self, connection: Connection) -> None:
        connection.terminate()

    def judge(self, error: Exception, connection: Connection | None) -> Failure | None:
        label = getattr(error, "sqlstate", None) or type(error).__name__
        # A second statement on a connection that has ended is a misuse to asyncpg; here it was the system.
        if isinstance(error, asyncpg.InterfaceError) and connection is not None and connection.is_closed():
            return Failure(Outcome.RESET, label)
        outcome = outcome_of(error, connecting=connection is None)
        return None if outcome is None else Failure(outcome, label)


def _goes_on(error: Exception) -> bool:
    """Whether the server answered this error and waits for the next statement."""
    return isinstance(error, asyncpg.PostgresError) and error.severity_en == "ERROR"


def outcome_of(error: Exception, *, connecting: bool = False) -> Outcome | None:
    """Return the outcome that an error stands for; None for one that is no doing of the system.

    Any end of a connection is REFUSED while `connecting` and RESET afterwards. 57P03 (starting up,
    shutting down) is SHED like 53300, being PostgreSQL's 503. 57014 (statement_timeout, a cancelled query)
    is BAD_STATUS like HTTP's 504: the server answered, and nothing was done, while TIMED_OUT means that
    it is unknown. A server of another kind is WRONG_REPLY only where what it sends cannot be a message's
    beginning; one that sends nothing, or closes, is like any other that does.
    """
    if isinstance(error, TimeoutError):
        return Outcome.TIMED_OUT
    ended = Outcome.REFUSED if connecting else Outcome.RESET
    if isinstance(error, OSError):
        return ended
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if state in _SHED_STATES:
            return Outcome.SHED
        if state.startswith(_ENDED_STATES) or (error.severity_en in _FATAL and not connecting):
            return ended
        # asyncpg uses the server's word for an argument that it could not encode.
        return None if isinstance(error, asyncpg.DataError) and error.severity_en is None else Outcome.BAD_STATUS
    # While connecting, asyncpg calls it our misuse when a server asks for an authentication that it does not know.
    theirs = connecting and not isinstance(error, asyncpg.ClientConfigurationError)
    wrong = (asyncpg.InternalClientError, asyncpg.InterfaceError) if theirs else asyncpg.InternalClientError
    return Outcome.WRONG_REPLY if isinstance(error, wrong) else None
