"""The measured Redis client: one command, one outcome, and no retry anywhere.

It uses redis-py's connections without its client, whose pool, retries and
metrics cost more than the command itself. The plain protocol (RESP2) needs no
handshake; values come back as bytes and numbers, as the server sent them.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import hiredis
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from harness.load.call import Call
from harness.load.clients.connections import IDLE_S, Failure, PooledClient, Reply
from harness.records import Outcome

# The server is up and refuses for now: it is full, loads, is kept busy by a script, or lacks other nodes it needs.
_SHED_CODES = frozenset({"OOM", "LOADING", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "NOREPLICAS"})
# Both texts that it has for this begin so; their code is ERR, like any error's.
_FULL = "max number of clients"


class RedisClient(PooledClient["_Link"]):
    """Calls to one Redis over at most `most` connections; opening the client connects nothing.

    Beyond `least` connections one that lay idle for `idle_s` seconds goes.
    """

    def __init__(
        self, url: str, *, least: int = 5, most: int = 20, connect_deadline_s: float = 5.0, idle_s: float = IDLE_S
    ) -> None:
        super().__init__(_RedisWire(url, connect_deadline_s), least=least, most=most, idle_s=idle_s)

    async def execute(self, call: Call, *command: str | bytes | float) -> Reply[Any]:
        """Run one command, each word an argument; the reply's value is what the server sent.

        Not for commands that change what a connection is, such as SELECT, MULTI or SUBSCRIBE: the next call gets it.
        """
        packed = hiredis.pack_command(command)  # type: ignore[arg-type] # its hint is of a tuple of one

        async def ask(link: _Link) -> Any:
            await link.connection.send_packed_command(packed, check_health=False)
            return await link.connection.read_response()

        return await self._connections.use(call, ask)


class _Link(NamedTuple):
    """A connection and the transport below it, which redis-py forgets before it is closed."""

    connection: AbstractConnection
    transport: asyncio.WriteTransport


class _RedisWire:
    """What redis-py's connections can and cannot go on after."""

    def __init__(self, url: str, connect_deadline_s: float) -> None:
        # Only for what it makes of a URL; it never holds a connection.
        self._pool = ConnectionPool.from_url(url)
        self._connect_deadline_s = connect_deadline_s
        self._options = {
            **self._pool.connection_kwargs,
            "retry": Retry(NoBackoff(), 0),
            "health_check_interval": 0,
            # The call's deadline is the one limit, and cancelling is what drops the connection.
            "socket_timeout": None,
            "socket_connect_timeout": connect_deadline_s,
            "protocol": 2,
            "driver_info": None,
            "decode_responses": False,
        }

    async def connect(self) -> _Link:
        connection = self._pool.connection_class(**self._options)
        # redis-py limits the TCP connect alone, not the words of a handshake.
        async with asyncio.timeout(self._connect_deadline_s):
            await connection.connect()  # type: ignore[no-untyped-call]
        writer = connection._writer  # noqa: SLF001 - redis-py has no abort, and a link that may be dead needs one
        if writer is None:
            raise RedisConnectionError("closed while it was being opened")
        return _Link(connection, writer.transport)

    async def usable(self, link: _Link) -> bool:
        # What came in unasked would be read as the answer to the next question.
        return link.connection.is_connected and not link.transport.is_closing() and not await link.connection.can_read()

    def whole(self, link: _Link, error: Exception | None) -> bool:
        return (error is None or isinstance(error, ResponseError)) and link.connection.is_connected

    async def drop(self, link: _Link) -> None:
        # First: a close, which is all redis-py does, waits until a dead link took what is buffered.
        link.transport.abort()
        await link.connection.disconnect(nowait=True)

    def judge(self, error: Exception, link: _Link | None) -> Failure | None:
        outcome = outcome_of(error, connecting=link is None)
        return None if outcome is None else Failure(outcome, _label(error))


def _code(error: Exception) -> str:
    """Return the first word of what the server answered, such as WRONGTYPE; empty for its absence."""
    if code := getattr(error, "status_code", None):
        return str(code)
    first = str(error).partition(" ")[0]
    return first if isinstance(error, ResponseError) and first.isupper() else ""


def _label(error: Exception) -> str:
    if _FULL in str(error):
        return _FULL
    # redis-py wraps the error of the system call.
    below = error.__context__ if isinstance(error.__context__, OSError) else error
    return _code(error) or type(below).__name__


def outcome_of(error: Exception, *, connecting: bool = False) -> Outcome | None:
    """Return the outcome that an error stands for; None for one that is no doing of the system.

    Any end of a connection is REFUSED while `connecting` and RESET afterwards. OOM is SHED: the server
    keeps its memory limit by refusing writes, and did nothing of what was asked. Every other error that it
    answered is BAD_STATUS, such as READONLY, WRONGTYPE or WRONGPASS.
    """
    code = _code(error)
    if code in _SHED_CODES or (isinstance(error, RedisError) and _FULL in str(error)):
        return Outcome.SHED
    if code or isinstance(error, ResponseError):
        return Outcome.BAD_STATUS
    if isinstance(error, TimeoutError | RedisTimeoutError):
        return Outcome.TIMED_OUT
    if isinstance(error, OSError | RedisConnectionError):
        return Outcome.REFUSED if connecting else Outcome.RESET
    return Outcome.WRONG_REPLY if isinstance(error, InvalidResponse) else None
