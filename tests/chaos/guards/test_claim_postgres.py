"""What is PostgreSQL's own about a claim: the table that comes and goes with it, and how a server says "not now"."""

from __future__ import annotations

import asyncio
import subprocess

import asyncpg
import psutil
import pytest

from chaos.guards.claim import Claim
from chaos.guards.claim_postgres import TABLE, PostgresStore
from harness.errors import NotReady, Refused
from harness.probes.health import ask_postgres
from harness.wait import wait_until

OURS = Claim("n1", "run-1", "1@2.00@here", 300.0)


def do(dsn: str, *statements: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(dsn, timeout=5)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


def test_nothing_of_ours_stays_in_the_database(postgres_dsn: str) -> None:
    store = PostgresStore(postgres_dsn)
    store.lay(OURS, lambda _: False)
    assert ask_postgres(postgres_dsn, f"SELECT to_regclass('{TABLE}') IS NOT NULL")
    store.lift(OURS)
    assert ask_postgres(postgres_dsn, f"SELECT to_regclass('{TABLE}') IS NULL")


def test_an_account_that_may_make_no_table_is_refused_with_the_servers_own_words(postgres_dsn: str) -> None:
    do(postgres_dsn, "CREATE ROLE guest LOGIN PASSWORD 'guest'")
    try:
        guest = PostgresStore(postgres_dsn.replace("heavyweather:only-the-tests@", "guest:guest@"))
        assert guest.read() is None
        with pytest.raises(Refused, match="permission denied for schema public"):
            guest.lay(OURS, lambda _: False)
    finally:
        do(postgres_dsn, "DROP ROLE guest")


def test_a_server_that_is_full_or_hangs_or_has_just_ended_is_only_away(
    postgres_child: tuple[subprocess.Popen[bytes], str],
) -> None:
    child, dsn = postgres_child
    store = PostgresStore(dsn, limit_s=1.0)
    store.lay(OURS, lambda _: False)
    do(dsn, "CREATE ROLE guest LOGIN PASSWORD 'guest' CONNECTION LIMIT 0")
    with pytest.raises(NotReady, match="TooManyConnectionsError"):
        PostgresStore(dsn.replace("heavyweather:only-the-tests@", "guest:guest@")).read()
    psutil.Process(child.pid).suspend()
    try:
        with pytest.raises(NotReady, match="TimeoutError"):
            store.read()
    finally:
        psutil.Process(child.pid).resume()
    child.kill()
    wait_until("its end", lambda: None if child.poll() is not None else "runs", limit_s=5.0)
    with pytest.raises(NotReady, match="ConnectionRefusedError"):
        store.renew(OURS)
