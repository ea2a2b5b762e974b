"""Free TCP ports on the loopback, held while they are chosen so that no two are the same.

They come from below the ephemeral range (32768 and up on Linux): there, an
outgoing connection could take a proxy's port while its fault holds it closed.
"""

from __future__ import annotations

import contextlib
import random
import socket

from harness.errors import StackError

_LOWEST, _HIGHEST = 10_000, 29_999
# Far more than a machine needs whose range is not nearly full.
_TRIES = 2_000


def free_ports(count: int) -> list[int]:
    """Return `count` distinct ports that could be bound on 127.0.0.1 a moment ago. Raises StackError."""
    ports: list[int] = []
    # Unseeded on purpose: two runs at once must not walk the same list.
    candidates = random.sample(range(_LOWEST, _HIGHEST + 1), _TRIES)
    with contextlib.ExitStack() as held:
        for port in candidates:
            if len(ports) == count:
                break
            # Without SO_REUSEADDR, so that a port still lingering in TIME_WAIT is not chosen.
            probe = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                ports.append(port)
    if len(ports) < count:
        raise StackError(f"only {len(ports)} of {count} free ports between {_LOWEST} and {_HIGHEST} on 127.0.0.1")
    return ports
