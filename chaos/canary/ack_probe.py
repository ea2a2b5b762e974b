"""A connection held open, and asked whether its packets still cross: an answer that needs no service behind the proxy.

What goes out is the harmless beginning of a question, a little more each
time; that the other end's kernel acknowledges it shows that packets cross in
both directions. Linux only.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Mapping

from chaos.canary.canary import Canary
from harness.wait import comes_true

# An acknowledgement over a loopback or a bridge takes far less than a millisecond; a first packet that is lost
# is sent again after 0.2 s.
_LIMIT_S = 1.0
_PAUSE_S = 0.001
# By protocol, what begins a question, and what goes on with it without ever finishing it: a header that does not end,
# a startup packet whose length is the longest that PostgreSQL waits for, and blank lines.
_BEGINNINGS: Mapping[str, tuple[bytes, bytes]] = {
    "http": (b"GET /health HTTP/1.1\r\nX-Held: a", b"a"),
    "postgres": (struct.pack("!i", 10_000), b"\0"),
    "redis": (b"\r\n", b"\r\n"),
}


class AckProbe:
    """A connection to where a canary goes. Raises OSError when it cannot be made within the canary's limit."""

    def __init__(self, canary: Canary) -> None:
        self._socket = socket.socket()
        self._next, self._more = _BEGINNINGS[canary.protocol]
        self._socket.settimeout(canary.limit_s)
        self._socket.connect((canary.host, canary.port))

    def crosses(self) -> bool:
        """Send a little and return whether that was acknowledged in time."""
        try:
            self._socket.sendall(self._next)
            self._next = self._more
            return comes_true(lambda: not _unacknowledged(self._socket), limit_s=_LIMIT_S, poll_s=_PAUSE_S)
        except OSError:
            return False

    def close(self) -> None:
        """Let go of it."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def __del__(self) -> None:
        self.close()


def _unacknowledged(connection: socket.socket) -> int:
    """Return how many bytes were sent and not acknowledged yet, as Linux's tcp(7) has it (SIOCOUTQ)."""
    import fcntl  # noqa: PLC0415 - POSIX only
    import termios  # noqa: PLC0415 - POSIX only

    (count,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))
    return int(count)
