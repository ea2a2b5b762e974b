"""One HTTP/1.1 connection on the load's own event loop: a request is written, its reply read, nothing else.

httptools parses (llhttp, Node's parser); what is ours is only when a reply is
whole. No thread stands between the loop and the socket, for waking one costs
more than the request; no request is ever written twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

# Beyond the largest message of any mix: a reply without end must not fill our memory.
BODY_MAX_BYTES = 64 * 2**20

# Up to here a request is cheaper to copy than to send in two packets.
_JOIN_BYTES = 64 * 2**10
_INFORMATIONAL = range(100, 200)
_BODILESS = frozenset({204, 304})
# What a server may say, unasked, of a connection that it is about to close (RFC 9110, 15.5.9).
_IDLED = 408


class RawReply(NamedTuple):
    """A whole reply; header names are in lower case."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> bytes:
        """Return the first header of that name, empty where there is none."""
        return next((value for known, value in self.headers if known == name), b"")


class NotHttp(Exception):
    """What came is no reply to one HTTP request: no HTTP at all, or more than was asked for."""


class HttpConnection(asyncio.Protocol):
    """Carries one exchange at a time; `idle_since_ns` belongs to whoever keeps it in the meantime.

    `on_unasked` is called for each reply that comes when none is waited for.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_unasked: Callable[[], None]) -> None:
        self._loop = loop
        self._on_unasked = on_unasked
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._reply: asyncio.Future[RawReply] | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._head_only = False
        self._in_body = False
        self._is_unasked = False
        self.reusable = True
        self.idle_since_ns = 0

    def exchange(self, head: bytes, body: bytes, *, head_only: bool = False) -> asyncio.Future[RawReply]:
        """Write a request and return the future of its reply; `head_only` for a method whose reply has no body.

        It raises ConnectionError when the connection ends before the reply is whole, and NotHttp.
        """
        assert self._transport is not None, "connected"  # noqa: S101 - for the type checker
        self._reply = reply = self._loop.create_future()
        self._head_only = head_only
        # Joined, a small request leaves in one packet; a large one is not copied.
        if len(body) < _JOIN_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.writelines([head, body])
        return reply

    def abort(self) -> None:
        """End the connection at once, whatever is on its way."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """End the connection in an orderly way."""
        self.reusable = False
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the way out."""
        self._transport = transport  # type: ignore[assignment] # a stream's transport, as create_connection gives it

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._fail(NotHttp(f"{type(error).__name__}: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the exchange in hand; a body that only the connection's end delimits is whole now."""
        self.reusable = False
        if self._in_body and exc is None and not self._delimited():
            self._complete()
        else:
            self._fail(
                exc if isinstance(exc, ConnectionError) else ConnectionResetError("closed before the whole reply")
            )

    def on_message_begin(self) -> None:
        """Take a new reply, which somebody must have asked for."""
        self._headers, self._body, self._body_bytes, self._in_body = [], [], 0, False
        self._is_unasked = self._reply is None
        if self._is_unasked:
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Expect a body, unless none is allowed."""
        self._in_body = True
        if self._is_unasked and self._parser.get_status_code() not in {*_INFORMATIONAL, _IDLED}:
            self._on_unasked()
        if self._head_only and self._parser.get_status_code() not in _INFORMATIONAL:
            self.reusable = False  # the parser waits for the body that was announced
            self._complete()

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._body.append(body)
        self._body_bytes += len(body)
        if self._body_bytes > BODY_MAX_BYTES:
            self._fail(NotHttp(f"a body of more than {BODY_MAX_BYTES} bytes"))

    def on_message_complete(self) -> None:
        """Hand out the reply, unless it only announced another."""
        self._in_body = False
        if self._parser.get_status_code() not in _INFORMATIONAL:
            self.reusable = self.reusable and self._parser.should_keep_alive()
            self._complete()

    def _complete(self) -> None:
        reply, self._reply = self._reply, None
        self._in_body = False
        if reply is not None and not reply.done():
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            reply.set_result(RawReply(self._parser.get_status_code(), self._headers, body))
        # A connection that is kept must not keep the largest reply it ever had.
        self._headers, self._body = [], []

    def _fail(self, error: Exception) -> None:
        reply, self._reply = self._reply, None
        self.abort()
        if reply is not None and not reply.done():
            reply.set_exception(error)

    def _delimited(self) -> bool:
        if self._parser.get_status_code() in _BODILESS:
            return True
        return any(name in {b"content-length", b"transfer-encoding"} for name, _ in self._headers)
