"""How the tests of the PostgreSQL client ask a server, and what they ask it about."""

import itertools
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from harness.load.clients.postgres import PostgresClient
from harness.records import Outcome
from tests.harness.load.links import a_call

_sleeps = itertools.count(60)


def port_of(dsn: str) -> int:
    port = urlsplit(dsn).port
    assert port is not None
    return port


def at(port: int, dsn: str = "postgresql://someone:secret@127.0.0.1:1/postgres") -> str:
    return dsn.replace(f":{port_of(dsn)}/", f":{port}/")


async def once(dsn: str, sql: str = "SELECT 1", **options: Any) -> tuple[Outcome, str, int]:
    """Send one statement with a client of its own; return outcome, label, and how many connections are left."""
    call = a_call()
    async with PostgresClient(dsn, **options) as client:
        reply = await client.fetch(call, sql)
        return reply.outcome, call.error, client.size


async def tell(dsn: str, sql: str, *arguments: object) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql, *arguments)
    finally:
        await connection.close()


def sleep_long() -> str:
    """Return a statement that outlasts the test, and that no other test sent: its backend may sleep on."""
    return f"SELECT pg_sleep({next(_sleeps)})"


async def until_asleep(dsn: str, sql: str) -> int:
    """Return the backend that sleeps for this statement, once there is one."""
    connection = await asyncpg.connect(dsn)
    try:
        while True:
            pid = await connection.fetchval(
                "SELECT pid FROM pg_stat_activity WHERE query = $1 AND wait_event = 'PgSleep'", sql
            )
            if pid is not None:
                return int(pid)
            await connection.execute("SELECT pg_sleep(0.01)")
    finally:
        connection.terminate()
