"""The server that all contestants drive: it does next to nothing, and keeps when each request came.

`GET /arrivals` tells what came since the last `DELETE /arrivals`; every other
request gets the same small JSON-RPC reply, after S seconds where its path
begins with /delay/S. A program of its own, so that its work is never booked as
a contestant's; it ends when its standard input does, so that it never outlives
the one who started it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from array import array
from collections import deque
from collections.abc import Callable
from functools import partial

DELAY = b"/delay/"
ARRIVALS = b"/arrivals"
_BODY = b'{"jsonrpc":"2.0","id":1,"result":"0x0123456789abcdef01234"}'
_DOCUMENT = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
REPLY = _DOCUMENT % (len(_BODY), _BODY)
_REFUSAL = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"
# No contestant sends a head or a body near these; what does is not one of ours.
_HEAD_BYTES_MAX = 64 * 1024
_REQUEST_BYTES_MAX = 64 * 1024 * 1024
# A herd's connections all come at once.
_BACKLOG = 4096
# Forty minutes at 2000/s. Beyond, requests are counted but no longer stamped.
_STAMPS_MAX = 5_000_000


class Tally:
    """What came since the last `clear`: requests, when (seconds of perf_counter), and over how many connections.

    On Linux perf_counter is one clock for all processes, so that the stamps can be held against a client's own.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget it all."""
        self.requests = 0
        self.arrivals_s = array("d")
        self.connections = 0
        self.cpu_from_s = time.process_time()

    def document(self) -> bytes:
        """Return the tally as JSON; `cpu_s` is what this server used meanwhile, and tells whether it was the limit."""
        told = {
            "requests": self.requests,
            "connections": self.connections,
            "cpu_s": time.process_time() - self.cpu_from_s,
            "arrivals_s": self.arrivals_s.tolist(),
        }
        return json.dumps(told).encode("ascii")


class NullProtocol(asyncio.Protocol):
    """One connection: takes requests as they come, in pieces or several at once, and answers in their order."""

    def __init__(
        self, tally: Tally, loop: asyncio.AbstractEventLoop, now: Callable[[], float] = time.perf_counter
    ) -> None:
        self._tally = tally
        self._loop = loop
        self._now = now
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        # How much must be there before it is worth a look.
        self._wanted_bytes = 0
        self._held: deque[tuple[float, bytes]] = deque()
        self._counted_in: object = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport: asyncio.Protocol's part."""
        self._transport = transport  # type: ignore[assignment] # a stream server's is always an asyncio.Transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Answer no more: asyncio.Protocol's part."""
        del exc
        self._transport = None
        self._held.clear()

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole by now: asyncio.Protocol's part."""
        received = self._received
        received += data
        while received and len(received) >= self._wanted_bytes:
            head_bytes = received.find(_HEAD_END) + len(_HEAD_END)
            if head_bytes < len(_HEAD_END):
                if len(received) > _HEAD_BYTES_MAX:
                    self._refuse()
                return
            head = bytes(received[:head_bytes])
            try:
                method, path, _ = head.split(b" ", 2)
                whole_bytes = head_bytes + _body_bytes(head)
                delay_s = float(path[len(DELAY) :].partition(b"/")[0]) if path.startswith(DELAY) else 0.0
            except ValueError:
                self._refuse()
                return
            if whole_bytes > _REQUEST_BYTES_MAX:
                self._refuse()
                return
            if len(received) < whole_bytes:
                self._wanted_bytes = whole_bytes
                return
            del received[:whole_bytes]
            self._wanted_bytes = 0
            self._answer(self._told(method) if path == ARRIVALS else self._noted(), delay_s)

    def _noted(self) -> bytes:
        """Count and stamp one request."""
        tally = self._tally
        tally.requests += 1
        if len(tally.arrivals_s) < _STAMPS_MAX:
            tally.arrivals_s.append(self._now())
        # The array is a new one after each `clear`: a connection kept alive across it counts again.
        if self._counted_in is not tally.arrivals_s:
            self._counted_in = tally.arrivals_s
            tally.connections += 1
        return REPLY

    def _told(self, method: bytes) -> bytes:
        document = self._tally.document() if method == b"GET" else b"{}"
        if method == b"DELETE":
            self._tally.clear()
        return _DOCUMENT % (len(document), document)

    def _answer(self, reply: bytes, delay_s: float) -> None:
        if not self._held and delay_s <= 0:
            self._send(reply)
            return
        self._held.append((self._loop.time() + delay_s, reply))
        if len(self._held) == 1:
            self._loop.call_later(delay_s, self._release)

    def _release(self) -> None:
        """Send what is due, in the order of the requests: no reply overtakes one that was asked for before."""
        if self._held:
            self._send(self._held.popleft()[1])
        while self._held and self._held[0][0] <= self._loop.time():
            self._send(self._held.popleft()[1])
        if self._held:
            self._loop.call_at(self._held[0][0], self._release)

    def _send(self, reply: bytes) -> None:
        if self._transport is not None:
            self._transport.write(reply)

    def _refuse(self) -> None:
        self._received.clear()
        if self._transport is not None:
            self._transport.write(_REFUSAL)
            self._transport.close()


def _body_bytes(head: bytes) -> int:
    """Return how long the body is; raises ValueError for a head that does not say it in a Content-Length."""
    lower = head.lower()
    if b"\r\ntransfer-encoding:" in lower:
        raise ValueError(head)
    at = lower.find(_LENGTH)
    return int(lower[at + len(_LENGTH) : lower.index(b"\r\n", at + 2)]) if at >= 0 else 0


async def serve() -> None:
    """Listen on a port of the system's choice, print it, and serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(NullProtocol, Tally(), loop), "127.0.0.1", 0, backlog=_BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - who starts it reads the port there
    over = asyncio.Event()
    loop.add_reader(sys.stdin, lambda: None if os.read(sys.stdin.fileno(), 1024) else over.set())
    await over.wait()
    server.close()


def main() -> None:
    """Serve on uvloop: the cheaper it is, the more of the machine is the contestants'."""
    import uvloop  # noqa: PLC0415 - absent on Windows, where the rest of this module is still read

    uvloop.run(serve())


if __name__ == "__main__":
    main()
