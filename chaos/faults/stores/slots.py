"""Connection slots of a data store: taken until the server says in its own words that it has none, held, given back.

PostgreSQL counts a client that has logged in, and so each connection is a whole
login; Redis counts every connection. Nothing is asked over a connection
once it is held, and no thread is needed to hold it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

import asyncpg
import psutil

from harness.errors import NotReady

# For one connection to be answered; a server that is short of them is slow as well.
_ONE_S = 5.0
_LOGINS_AT_ONCE = 8
# What else the process opens while they are held: its journal, its load.
_SPARE_FILES = 512
_FULL = b"-ERR max number of clients"


class Slots(Protocol):
    """Connections to one server, all held by this process; used by one thread at a time."""

    def take(self, most: int, *, limit_s: float) -> str | None:
        """Take slots until there are `most`, or the server refuses one; return its words then, None before.

        Raises NotReady when it does anything else, or within `limit_s` neither.
        """

    def give_back(self, count: int) -> None:
        """Close the last `count` of them."""

    def close(self) -> None:
        """Close all of them; harmless when repeated."""

    def __len__(self) -> int:
        """Return how many are held."""


def affordable(most: int) -> int:
    """Return how many connections, up to `most`, this process may open; its limit is raised as far as it may be."""
    if sys.platform == "win32":
        return most
    import resource  # noqa: PLC0415 - POSIX only

    needed = psutil.Process().num_fds() + _SPARE_FILES + most
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return most
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return max(0, most - (needed - soft))


class PostgresSlots:
    """Logins at the PostgreSQL of a DSN; satisfies `Slots`."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._held: list[Any] = []
        # Its loop runs only while something is asked: in between the kernel alone keeps the connections.
        self._runner = asyncio.Runner()

    def __len__(self) -> int:
        """Return how many are held."""
        return len(self._held)

    def take(self, most: int, *, limit_s: float) -> str | None:
        """Log in until refused."""

        async def take() -> str | None:
            async with asyncio.timeout(limit_s):
                while (left := most - len(self._held)) > 0:
                    logins = [self._log_in() for _ in range(min(_LOGINS_AT_ONCE, left))]
                    for answer in await asyncio.gather(*logins, return_exceptions=True):
                        if isinstance(answer, BaseException):
                            raise answer
                        if answer is not None:
                            return answer
            return None

        try:
            return self._runner.run(take())
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            # Not what it says: asyncpg's own errors may quote the DSN.
            raise NotReady("a connection slot of postgres", limit_s, type(error).__name__) from error

    async def _log_in(self) -> str | None:
        settings = {"application_name": "heavyweather"}
        try:
            self._held.append(await asyncpg.connect(self._dsn, timeout=_ONE_S, server_settings=settings))
        except asyncpg.TooManyConnectionsError as error:
            return str(error)
        return None

    def give_back(self, count: int) -> None:
        """Hang up on the last `count`."""

        async def hang_up() -> None:
            for _ in range(min(count, len(self._held))):
                # At once: a polite goodbye would need an answer that may not come.
                self._held.pop().terminate()
            # A transport closes its socket in the loop's next pass.
            await asyncio.sleep(0)

        if self._held:
            self._runner.run(hang_up())

    def close(self) -> None:
        """Hang up on all."""
        self.give_back(len(self._held))
        self._runner.close()


class RedisSlots:
    """Connections to the Redis of a URL; satisfies `Slots`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 6379)
        self._held: list[socket.socket] = []

    def __len__(self) -> int:
        """Return how many are held."""
        return len(self._held)

    def take(self, most: int, *, limit_s: float) -> str | None:
        """Connect until refused."""
        ends_s = time.monotonic() + limit_s
        while len(self._held) < most:
            try:
                answer = self._connect(_ask)
            except ConnectionError:
                # It may have refused and hung up before our question came, which then wiped its words out.
                answer = self._attempt_listening(limit_s)
            except OSError as error:
                raise NotReady("a connection slot of redis", limit_s, f"{type(error).__name__}: {error}") from error
            if answer.startswith(_FULL):
                return answer.decode(errors="replace").strip().removeprefix("-ERR ")
            if time.monotonic() >= ends_s:
                raise NotReady("the last connection slot of redis", limit_s, f"{len(self._held)} taken")
        return None

    def _attempt_listening(self, limit_s: float) -> bytes:
        try:
            return self._connect(_listen)
        except OSError as error:
            raise NotReady("a connection slot of redis", limit_s, f"{type(error).__name__}: {error}") from error

    def _connect(self, question: Callable[[socket.socket], bytes]) -> bytes:
        """Return what is answered over a new connection, which is held unless it is refused. Raises OSError."""
        with contextlib.ExitStack() as undo:
            link = undo.enter_context(socket.create_connection(self._address, timeout=_ONE_S))
            answer = question(link)
            if not answer:
                raise ConnectionResetError("closed without a word")
            if not answer.startswith(_FULL):
                # Any other reply, such as that it wants a password first: it counts us.
                self._held.append(link)
                undo.pop_all()
            return answer

    def give_back(self, count: int) -> None:
        """Close the last `count`."""
        for _ in range(min(count, len(self._held))):
            self._held.pop().close()

    def close(self) -> None:
        """Close all."""
        self.give_back(len(self._held))


def _ask(link: socket.socket) -> bytes:
    link.sendall(b"PING\r\n")
    return link.recv(256)


def _listen(link: socket.socket) -> bytes:
    link.settimeout(0.2)
    try:
        return link.recv(256)
    except TimeoutError:
        link.settimeout(_ONE_S)
        return _ask(link)
