"""What a Redis says of itself by INFO: memory, clients, keys, what it evicted, hits and misses.

A witness of the server's side, over one connection of its own past every
proxy, which it does not count. It connects when it is asked and has none, once
a look: a server that is away is missing from the samples until it is back.
"""

from __future__ import annotations

import re

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from harness.probes.reading import Reading, Unreadable

_FIGURES = {
    b"used_memory": "memory_bytes",
    b"used_memory_rss": "memory_rss_bytes",
    b"connected_clients": "clients",
    b"blocked_clients": "blocked_clients",
    b"evicted_keys": "evicted_keys",
    b"expired_keys": "expired_keys",
    b"rejected_connections": "rejected_connections",
    b"pubsub_channels": "channels",
    b"keyspace_hits": "hits",
    b"keyspace_misses": "misses",
}
_KEYS = re.compile(rb"^db\d+:keys=(\d+)", re.MULTILINE)
_OURSELVES = 1


class RedisWitness:
    """Asks the server at a URL; the series are `witness.redis.FIGURE`."""

    name = "witness.redis"

    def __init__(self, url: str) -> None:
        # Only for what it makes of a URL; it never holds a connection.
        self._pool = ConnectionPool.from_url(
            url, retry=Retry(NoBackoff(), 0), protocol=2, decode_responses=False, client_name="heavyweather"
        )
        self._connection: AbstractConnection | None = None

    async def read(self) -> Reading:
        """Ask once, connecting where there is no connection. Raises what redis-py and the system raise."""
        try:
            if self._connection is None:
                self._connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
                await self._connection.connect()
            await self._connection.send_command("INFO", check_health=False)
            text = await self._connection.read_response()
        except BaseException:
            # Whatever it was, also a limit that ran out: what is on its way would be taken for the next answer.
            await self.close()
            raise
        figures = parse_info(text)
        return Reading({f"{self.name}.{figure}": value for figure, value in figures.items()})

    async def close(self) -> None:
        """End the connection at once."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)


def parse_info(text: object) -> dict[str, float]:
    """Return the figures in what INFO answers, without our own connection. Raises Unreadable."""
    if not isinstance(text, bytes):
        raise Unreadable("no answer to INFO")
    fields = dict(line.split(b":", 1) for line in text.splitlines() if b":" in line)
    figures = {figure: float(fields[name]) for name, figure in _FIGURES.items() if fields.get(name, b"").isdigit()}
    if "clients" in figures:
        figures["clients"] -= _OURSELVES
    return {**figures, "keys": float(sum(map(int, _KEYS.findall(text))))}
