"""The measured HTTP client: one request, one outcome, and no retry anywhere.

Ours, on the load's own loop, because the clients that could be had hide what
must be measured: when the connection stood, and that a request was sent twice;
and because a client with a thread of its own costs a multiple for each request
that is not sent in a crowd. It speaks plain HTTP/1.1, with or without TLS; no
redirects, cookies, proxies or compression, which would distort measurements.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from harness.errors import LoadError
from harness.http_connection import HttpConnection, NotHttp, RawReply
from harness.load.call import NOBODY, Call, now_ns
from harness.load.clients.sse import parse_events
from harness.records import Mark, Outcome

# With these a server protects itself; any other bad status is a failure.
SHED_STATUSES = frozenset({429, 503})
# Common servers end an idle connection after 5 s: ending it before them, we never write into one that is closing.
_IDLE_NS = 4_000_000_000
_LONG_IDLE_NS = 500_000_000
# What our own machine has run out of, and no server's doing.
_OWN_LIMITS = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class HttpReply(NamedTuple):
    """What came back: `status` is 0 and `document` None where no whole reply did."""

    outcome: Outcome
    status: int = 0
    document: Any = None

    def get(self, key: str) -> Any:
        """Return the document's value under `key`; None where the document is no object or has no such key."""
        return self.document.get(key) if isinstance(self.document, dict) else None


class HttpClient:
    """Requests against one base URL. Each is given up by cancelling it, which ends its connection.

    `tokens` are bearer tokens: a virtual user always shows the same one, arrivals without a user take turns.
    With `fresh` every request opens a connection of its own; otherwise connections are kept and used again, the last
    one first, and there are as many as requests wait at once. Opening one is the call's `connect_ns`. A reply that
    comes when none is waited for is marked on the next call that gets its own.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        tokens: Sequence[str] = (),
        fresh: bool = False,
    ) -> None:
        parts = urlsplit(base_url)
        self._host = parts.hostname or ""
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        fixed = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "heavyweather-load", **(headers or {})}
        self._fixed = _lines(fixed)
        self._authorizations = [_lines({"Authorization": f"Bearer {token}"}) for token in tokens]
        self._fresh = fresh
        self._idle: list[HttpConnection] = []
        self._unasked = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        while self._idle:
            self._idle.pop().close()

    async def send(
        self,
        call: Call,
        method: str,
        path: str,
        *,
        document: object = None,
        headers: Mapping[str, str] | None = None,
        json_reply: bool = True,
    ) -> HttpReply:
        """Send one request with an optional JSON document and return how it ended.

        The reply must be JSON, unless `json_reply` is false: then its body is not read.
        """
        raw = await self._exchange(call, method, path, document, headers)
        if not isinstance(raw, RawReply):
            return HttpReply(raw)
        if not json_reply:
            return _judged(call, raw.status, None, readable=True)
        try:
            return _judged(call, raw.status, json.loads(raw.body), readable=True)
        except (ValueError, RecursionError):
            return _judged(call, raw.status, None, readable=False)

    async def stream(
        self,
        call: Call,
        method: str,
        path: str,
        *,
        document: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpReply:
        """Send one request for a stream of server-sent events; the reply's document is the list of them, at its end."""
        wanted = {"Accept": "text/event-stream", **(headers or {})}
        raw = await self._exchange(call, method, path, document, wanted)
        if not isinstance(raw, RawReply):
            return HttpReply(raw)
        readable = raw.header(b"content-type").startswith(b"text/event-stream")
        return _judged(call, raw.status, parse_events(raw.body), readable=readable)

    async def _exchange(
        self, call: Call, method: str, path: str, document: object, headers: Mapping[str, str] | None
    ) -> RawReply | Outcome:
        head, body = self._request(call, method, path, document, headers)
        connection = self._take()
        while connection is not None and now_ns() - connection.idle_since_ns > _LONG_IDLE_NS:
            # What the server sent meanwhile is read first, and ends the connection: it answers nothing of this.
            await asyncio.sleep(0)
            if connection.reusable:
                break
            connection = self._take()
        if connection is None:
            try:
                connection = await self._connect(call)
            except OSError as error:
                return call.fail(_connect_outcome(error), error)
        try:
            raw = await connection.exchange(head, body, head_only=method == "HEAD")
        except asyncio.CancelledError:
            connection.abort()
            raise
        except ConnectionError as error:
            return call.fail(Outcome.RESET, error)
        except NotHttp as error:
            return call.fail(Outcome.WRONG_REPLY, error)
        self._give_back(connection)
        if self._unasked:
            call.mark(Mark.SECOND_REPLY, self._unasked)
            self._unasked = 0
        return raw

    def _note_unasked(self) -> None:
        self._unasked += 1

    def _request(
        self, call: Call, method: str, path: str, document: object, headers: Mapping[str, str] | None
    ) -> tuple[bytes, bytes]:
        fixed = self._fixed
        if self._authorizations:
            turn = call.number if call.user == NOBODY else call.user
            fixed += self._authorizations[turn % len(self._authorizations)]
        if headers:
            fixed += _lines(headers)
        body = b""
        if document is not None:
            body = _encode(document).encode()
            fixed += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        elif method not in _WITHOUT_BODY:
            fixed += "Content-Length: 0\r\n"
        return f"{method} {self._prefix}{path} HTTP/1.1\r\n{fixed}\r\n".encode("latin-1"), body

    def _take(self) -> HttpConnection | None:
        """Return a connection that is kept, the one used last."""
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                if now_ns() - connection.idle_since_ns < _IDLE_NS:
                    return connection
                connection.close()
        return None

    def _give_back(self, connection: HttpConnection) -> None:
        if self._fresh or not connection.reusable:
            connection.close()
            return
        connection.idle_since_ns = now = now_ns()
        self._idle.append(connection)
        # The first was idle longest: a crowd that has gone leaves its connections one by one.
        if not self._idle[0].reusable or now - self._idle[0].idle_since_ns > _IDLE_NS:
            self._idle.pop(0).close()

    async def _connect(self, call: Call) -> HttpConnection:
        """Open a connection. Raises OSError for what is the server's or the link's doing, LoadError for ours."""
        loop = asyncio.get_running_loop()
        began_ns = now_ns()
        try:
            _, connection = await loop.create_connection(
                lambda: HttpConnection(loop, self._note_unasked), self._host, self._port, ssl=self._tls
            )
        except OSError as error:
            if error.errno in _OWN_LIMITS or (isinstance(error, socket.gaierror) and _descriptors_are_out()):
                rule = "allow the harness more descriptors or ports, or lower the load"
                raise LoadError(f"no connection can be opened from here: {error}; {rule}") from error
            raise
        finally:
            call.connect_ns = now_ns() - began_ns
        return connection


def _descriptors_are_out() -> bool:
    """Return whether this process can open nothing more: a resolver that cannot only reports an unknown host."""
    try:
        os.close(os.dup(0))
    except OSError as error:
        return error.errno in _OWN_LIMITS
    return False


# Their requests have no Content-Length; all others must, or servers wait for a body.
_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


def _lines(headers: Mapping[str, str]) -> str:
    """Return headers as they are sent. Raises ValueError for one that would end early or begin another."""
    for name, value in headers.items():
        if not name.isascii() or any(character in name + value for character in "\r\n\0"):
            raise ValueError(f"no such header can be sent: {name!r}: {value!r}")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def _judged(call: Call, status: int, document: Any, *, readable: bool) -> HttpReply:
    if 200 <= status < 300:
        outcome = Outcome.OK if readable else call.fail(Outcome.WRONG_REPLY, "unreadable body")
    else:
        outcome = call.fail(Outcome.SHED if status in SHED_STATUSES else Outcome.BAD_STATUS, f"status {status}")
    return HttpReply(outcome, status, document)


def _connect_outcome(error: OSError) -> Outcome:
    """Return what a failed connect is: refused, unless the system gave up waiting for an answer."""
    return Outcome.TIMED_OUT if isinstance(error, TimeoutError) else Outcome.REFUSED
