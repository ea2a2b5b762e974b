"""The last look: what the database really holds once the load is over and the links are whole.

It goes straight to the database, past every proxy and service, because the
question is what was kept and not what somebody says was kept.
"""

from __future__ import annotations

import asyncio

import asyncpg

_LIMIT_S = 30.0


def read_ledger_keys(dsn: str, *, prefix: str) -> frozenset[str]:
    """Return the keys of all ledger entries that begin with `prefix`. Raises OSError or asyncpg.PostgresError."""

    async def read() -> frozenset[str]:
        async with asyncio.timeout(_LIMIT_S):
            connection = await asyncpg.connect(dsn)
            try:
                rows = await connection.fetch("SELECT id FROM ledger WHERE starts_with(id, $1)", prefix)
            finally:
                connection.terminate()
        return frozenset(row["id"] for row in rows)

    return asyncio.run(read())
