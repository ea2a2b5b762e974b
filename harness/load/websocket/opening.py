"""Opening WebSockets, and what their errors mean.

On the `websockets` client with all that it would do unseen switched off: no
redirect, proxy, reconnect or keepalive of its own, and no compression unless
that is under test, for it takes four times the memory.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    WebSocketException,
)

from harness.load.call import DEADLINE_S
from harness.load.clients.http import SHED_STATUSES
from harness.records import Outcome

ERRORS = (OSError, WebSocketException)

# As much as the reference service takes itself.
_MESSAGE_BYTES_MAX = 32 * 2**20
# RFC 6455, 7.4.1, and its registry: normal, going away, none given, service restart: an end, and no complaint.
_ENDED = frozenset({1000, 1001, 1005, 1012})
_TRY_AGAIN_LATER = 1013
# With these we end a connection whose other side broke the protocol.
_BREACHES = frozenset({1002, 1003, 1007, 1009})


def outcome_of(error: OSError | WebSocketException) -> Outcome:
    """Return the outcome that an error of opening or using a connection stands for."""
    if isinstance(error, OSError):
        return _outcome_of_os(error)
    if isinstance(error, ConnectionClosed):
        return _outcome_of_closed(error)
    if isinstance(error, InvalidStatus):
        return Outcome.SHED if error.response.status_code in SHED_STATUSES else Outcome.BAD_STATUS
    if isinstance(error, InvalidMessage) and isinstance(error.__cause__, EOFError):
        return Outcome.RESET
    return Outcome.WRONG_REPLY


def _outcome_of_os(error: OSError) -> Outcome:
    if isinstance(error, TimeoutError):
        return Outcome.TIMED_OUT
    if isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
        return Outcome.RESET
    # Whatever else ends an attempt to connect: refused, unreachable, an unknown name.
    return Outcome.WRONG_REPLY if isinstance(error, ssl.SSLError) else Outcome.REFUSED


def _outcome_of_closed(error: ConnectionClosed) -> Outcome:
    if error.sent is not None and not error.rcvd_then_sent and error.sent.code in _BREACHES:
        return Outcome.WRONG_REPLY
    if error.rcvd is None or error.rcvd.code in _ENDED:
        return Outcome.RESET
    return Outcome.SHED if error.rcvd.code == _TRY_AGAIN_LATER else Outcome.BAD_STATUS


def label_of(error: OSError | WebSocketException) -> str:
    """Return a short label, of which there are few: a status or close code, or the error's type."""
    if isinstance(error, InvalidStatus):
        return f"status {error.response.status_code}"
    if isinstance(error, InvalidHandshake) and isinstance(error.__cause__, EOFError):
        return "closed in the handshake"
    if isinstance(error, ConnectionClosed):
        if error.sent is not None and not error.rcvd_then_sent and error.sent.code in _BREACHES:
            return f"breach {error.sent.code}"
        return "lost" if error.rcvd is None else f"closed {error.rcvd.code}"
    return type(error).__name__


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a WebSocket opens and how: connecting and handshake together take at most `connect_s` seconds."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    connect_s: float = DEADLINE_S
    compression: Literal["deflate"] | None = None

    def __post_init__(self) -> None:
        if not self.url.startswith(("ws://", "wss://")):
            raise ValueError(f"a WebSocket's url begins with ws:// or wss://, not {self.url!r}")


class _Connect(connect):
    """Opens what it was asked to open, and nothing that an answer points to."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_websocket(address: Address) -> ClientConnection:
    """Open one connection. Raises OSError (TimeoutError among them) or WebSocketException."""
    return await _Connect(
        address.url,
        additional_headers=address.headers,
        compression=address.compression,
        user_agent_header="heavyweather-load",
        proxy=None,
        open_timeout=address.connect_s,
        ping_interval=None,
        # Every close here has a limit around it.
        close_timeout=None,
        max_size=_MESSAGE_BYTES_MAX,
        # Our reader takes every message at once: it never waits with some unread. And a paused
        # connection could not hear the answer to its own close.
        max_queue=None,
    )
