"""What a PostgreSQL says of itself: its connections by state, its locks, its oldest transaction.

A witness of the server's side, over one connection of its own past every
proxy, which it does not count. It connects when it is asked and has none, once
a look: a server that is away is missing from the samples until it is back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg

from harness.probes.reading import Reading

APPLICATION_NAME = "heavyweather"

# Only backends of clients: PostgreSQL's own workers come and go by themselves. From a user without pg_monitor what
# others' backends are and do is hidden (NULL); then counts by state would be wrong rather than unknown.
_QUESTION = """
SELECT a.*, l.*, d.*
FROM (
    SELECT count(*) AS connections,
        count(*) FILTER (WHERE state = 'active') AS connections_active,
        count(*) FILTER (WHERE state = 'idle') AS connections_idle,
        count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS connections_idle_in_transaction,
        coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0)::float8 AS oldest_transaction_s,
        count(*) FILTER (WHERE backend_type IS NULL) AS hidden
    FROM pg_stat_activity
    WHERE coalesce(backend_type = 'client backend', usesysid IS NOT NULL AND datid IS NOT NULL)
        AND application_name IS DISTINCT FROM $1
) AS a, (
    SELECT count(*) AS locks, count(*) FILTER (WHERE NOT granted) AS locks_waiting
    FROM pg_locks WHERE pid <> pg_backend_pid()
) AS l, (
    SELECT coalesce(sum(deadlocks), 0)::float8 AS deadlocks FROM pg_stat_database
) AS d
"""
_HIDDEN = ("connections_active", "connections_idle", "connections_idle_in_transaction", "oldest_transaction_s")


class PostgresWitness:
    """Asks the server at a DSN; the series are `witness.postgres.FIGURE`."""

    name = "witness.postgres"

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: Any = None

    async def read(self) -> Reading:
        """Ask once, connecting where there is no connection. Raises what asyncpg and the system raise."""
        try:
            if self._connection is None or self._connection.is_closed():
                settings = {"application_name": APPLICATION_NAME}
                self._connection = await asyncpg.connect(self._dsn, server_settings=settings)
            row = await self._connection.fetchrow(_QUESTION, APPLICATION_NAME)
        except BaseException:
            # Whatever it was, also a limit that ran out: what is on its way would be taken for the next answer.
            await self.close()
            raise
        return _reading(dict(row))

    async def close(self) -> None:
        """End the connection at once: a polite goodbye would need an answer that may not come."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


def _reading(figures: Mapping[str, float]) -> Reading:
    hidden = _HIDDEN if figures["hidden"] else ()
    told = {name: float(value) for name, value in figures.items() if name != "hidden" and name not in hidden}
    series = PostgresWitness.name
    return Reading(
        {f"{series}.{name}": value for name, value in told.items()}, tuple(f"{series}.{name}" for name in hidden)
    )
