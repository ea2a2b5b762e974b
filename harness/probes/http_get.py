"""One GET on a connection of its own, by the load's own HTTP connection: the cheapest there is, and it never waits.

A connection is not kept: between two looks the service may have been paused,
killed and started anew, and what is looked at least should be touched least.
"""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

from harness.http_connection import HttpConnection
from harness.probes.reading import Unreadable

_OK = 200


async def get(url: str) -> bytes:
    """Return the body of a 200. Raises Unreadable for any other status, OSError, and what the connection raises.

    It has no limit of its own: cancelling it ends the connection.
    """
    parts = urlsplit(url)
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    port = parts.port or (443 if tls else 80)
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: HttpConnection(loop, _unasked), parts.hostname or "", port, ssl=tls
    )
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.netloc.rpartition("@")[2]
        head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: heavyweather\r\nConnection: close\r\n\r\n"
        reply = await connection.exchange(head.encode("latin-1"), b"")
    finally:
        connection.abort()
    if reply.status != _OK:
        raise Unreadable(f"status {reply.status}")
    return reply.body


def _unasked() -> None:
    """Keep no account of replies that nobody waits for: they end the connection."""
