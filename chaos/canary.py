"""What a client of one link sees right now: one question, one answer, no retry.

A fault counts only once a canary has felt it, and a heal only once a canary
has not. The question is of the service's own protocol, because a proxy
accepts a connection whatever stands behind it.
"""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from harness.errors import ChaosError


class Seen(StrEnum):
    """How the canary's question ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    CLOSED = "closed"
    RESET = "reset"
    HUNG = "hung"


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen, and the seconds it took from the connect to the first byte of the answer."""

    seen: Seen
    took_s: float

    def __str__(self) -> str:
        return f"{self.seen} after {self.took_s * 1e3:.0f} ms"


# What to ask so that the service itself must answer. PostgreSQL: an SSLRequest, answered by one byte.
_QUESTIONS: Mapping[str, bytes] = {
    "http": b"GET /health HTTP/1.1\r\nHost: canary\r\nConnection: close\r\n\r\n",
    "postgres": struct.pack("!ii", 8, 80877103),
    "redis": b"PING\r\n",
}
# Shortages of this machine, not of the link: they must prove no fault.
_OURS = frozenset({errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


@dataclass(frozen=True, slots=True)
class Canary:
    """Asks over one address; `protocol` is one of http, postgres, redis, and `limit_s` bounds each look."""

    host: str
    port: int
    protocol: str
    limit_s: float = 2.0

    def look(self) -> Sight:
        """Ask once over a fresh connection. Raises ChaosError when this machine could not even ask."""
        began_s = time.perf_counter()
        seen = self._ask(began_s + self.limit_s)
        return Sight(seen, time.perf_counter() - began_s)

    def _ask(self, ends_s: float) -> Seen:
        try:
            with socket.create_connection((self.host, self.port), timeout=self.limit_s) as link:
                link.sendall(_QUESTIONS[self.protocol])
                link.settimeout(max(0.001, ends_s - time.perf_counter()))
                return Seen.ANSWERED if link.recv(1) else Seen.CLOSED
        except ConnectionRefusedError:
            return Seen.REFUSED
        except TimeoutError:
            return Seen.HUNG
        except OSError as error:
            if error.errno in _OURS or isinstance(error, socket.gaierror):
                raise ChaosError(f"the canary to {self.host}:{self.port} could not ask: {error}") from error
            return Seen.RESET
