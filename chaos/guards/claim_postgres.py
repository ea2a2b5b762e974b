"""A run's claim in PostgreSQL: one row in a table of ours, which is dropped with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import asyncpg

from chaos.guards.claim import LIMIT_S, Claim, GivesWay
from harness.errors import NotReady, Refused

TABLE = "heavyweather_claim"

# One at a time: two who make a table at once would trip over each other.
_LOCK = "SELECT pg_advisory_xact_lock(7521962890163645793)"
_CREATE = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    nonce text NOT NULL,
    run_id text NOT NULL,
    runner text NOT NULL,
    lease_until timestamptz NOT NULL
)
"""
_IS_THERE = f"SELECT to_regclass('{TABLE}') IS NOT NULL"
# By the server's clock alone: those of two runners may differ.
_READ = f"SELECT nonce, run_id, runner, extract(epoch FROM lease_until - now())::float8 AS left_s FROM {TABLE}"  # noqa: S608 - a name of ours
_LAY = f"""
INSERT INTO {TABLE} (nonce, run_id, runner, lease_until) VALUES ($1, $2, $3, now() + make_interval(secs => $4))
ON CONFLICT (one) DO UPDATE SET (nonce, run_id, runner, lease_until) =
    (excluded.nonce, excluded.run_id, excluded.runner, excluded.lease_until)
"""  # noqa: S608 - a name of ours
_RENEW = f"UPDATE {TABLE} SET lease_until = now() + make_interval(secs => $2) WHERE nonce = $1"  # noqa: S608 - as above
_LIFT = f"DELETE FROM {TABLE} WHERE nonce = $1"  # noqa: S608 - a name of ours
_IS_EMPTY = f"SELECT NOT EXISTS (SELECT FROM {TABLE})"  # noqa: S608 - a name of ours
# Connections that fail, ends by an operator or a crash, cannot_connect_now, too_many_connections.
_AWAY_STATES = ("08", "57P", "53300")

T = TypeVar("T")


class PostgresStore:
    """The database at a DSN; satisfies `chaos.guards.claim.ClaimedStore`."""

    lasting = True

    def __init__(self, dsn: str, *, limit_s: float = LIMIT_S) -> None:
        self._dsn = dsn
        self._limit_s = limit_s

    def lay(self, claim: Claim, gives_way: GivesWay) -> Claim | None:
        """Write the claim, or return the one that stands in its way."""

        async def lay(connection: Any) -> Claim | None:
            async with connection.transaction():
                await connection.execute(_LOCK)
                held = await _read(connection)
                if held and held.nonce != claim.nonce and not gives_way(held):
                    return held
                await connection.execute(_CREATE)
                await connection.execute(_LAY, claim.nonce, claim.run_id, claim.runner, claim.left_s)
                return None

        return self._ask(lay)

    def read(self) -> Claim | None:
        """Return the claim, None where there is none or no table for it."""
        return self._ask(_read)

    def renew(self, claim: Claim) -> None:
        """Lengthen the claim's lease."""

        async def renew(connection: Any) -> None:
            if await connection.fetchval(_IS_THERE):
                await connection.execute(_RENEW, claim.nonce, claim.left_s)

        self._ask(renew)

    def lift(self, claim: Claim) -> None:
        """Remove the claim, and the table where no other is in it."""

        async def lift(connection: Any) -> None:
            async with connection.transaction():
                await connection.execute(_LOCK)
                if await connection.fetchval(_IS_THERE):
                    await connection.execute(_LIFT, claim.nonce)
                    if await connection.fetchval(_IS_EMPTY):
                        await connection.execute(f"DROP TABLE {TABLE}")

        self._ask(lift)

    def server(self) -> str:
        """Return nothing: its data distinguishes it from every other."""
        return ""

    def _ask(self, question: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        async def ask() -> T:
            async with asyncio.timeout(self._limit_s):
                settings = {"application_name": "heavyweather"}
                connection = await asyncpg.connect(self._dsn, timeout=self._limit_s, server_settings=settings)
                try:
                    return await question(connection)
                finally:
                    # At once: a polite goodbye would need an answer that may not come.
                    connection.terminate()

        try:
            return asyncio.run(ask())
        except asyncpg.PostgresError as error:
            what = f"{type(error).__name__}: {error}"
            if str(error.sqlstate).startswith(_AWAY_STATES):
                raise NotReady("postgres", self._limit_s, what) from error
            raise Refused(f"postgres answers as none of this run would: {what}") from error
        except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            # Not what it says: asyncpg's own errors may quote the DSN.
            raise NotReady("postgres", self._limit_s, type(error).__name__) from error


async def _read(connection: Any) -> Claim | None:
    # Asked for first: an error would end the transaction that this may be part of.
    if not await connection.fetchval(_IS_THERE):
        return None
    row = await connection.fetchrow(_READ)
    return None if row is None else Claim(row["nonce"], row["run_id"], row["runner"], row["left_s"])
