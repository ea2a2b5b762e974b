"""What wedges a Toxiproxy: a reader that stalls on a saturated stream, and an upstream that swallows every dial."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

LIMIT_S = 5.0
# Without room for a moment, it is not only slow.
_FULL_S = 0.3
_CHUNK = b"x" * 65536


@dataclass(frozen=True)
class Stall:
    """A stream that fills up: what its service has sent before it could send no more, in bytes."""

    sent_bytes: int


@contextlib.contextmanager
def saturated(listener: socket.socket, door: int) -> Iterator[Stall]:
    """Have the service behind `listener` send through a proxy's door to a client that reads nothing."""
    with _filled(listener, door) as (_, _, sent_bytes):
        yield Stall(sent_bytes)


def abandon(listener: socket.socket, door: int) -> None:
    """Have a client go away, with a reset, while its proxy holds back what the service behind `listener` sends."""
    with _filled(listener, door) as (reader, service, _):
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reader.close()
        service.settimeout(LIMIT_S)
        # The proxy has noticed once it passes the end on, with a reset where it had not taken in everything.
        with contextlib.suppress(ConnectionResetError):
            assert service.recv(1) == b""


@contextlib.contextmanager
def _filled(listener: socket.socket, door: int) -> Iterator[tuple[socket.socket, socket.socket, int]]:
    """Yield a client that reads nothing, the service it is connected to, and how much that could send."""
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.settimeout(LIMIT_S)
        reader.connect(("127.0.0.1", door))
        listener.settimeout(LIMIT_S)
        service, _ = listener.accept()
        with service:
            service.settimeout(_FULL_S)
            sent_bytes = 0
            with contextlib.suppress(TimeoutError):
                while True:
                    sent_bytes += service.send(_CHUNK)
            yield reader, service, sent_bytes


@contextlib.contextmanager
def swallowing() -> Iterator[int]:
    """Yield a port at which dials are neither accepted nor refused: its queue is full, and further ones are dropped."""
    if sys.platform != "linux":
        pytest.skip("other systems refuse what does not fit into the queue")
    with contextlib.ExitStack() as after:
        hole = after.enter_context(socket.socket())
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        port = int(hole.getsockname()[1])
        for _ in range(3):
            filler = after.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        probe = after.enter_context(socket.socket())
        probe.settimeout(0.2)
        with pytest.raises(TimeoutError):
            probe.connect(("127.0.0.1", port))
        yield port
