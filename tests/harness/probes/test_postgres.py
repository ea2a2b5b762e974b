"""The PostgreSQL witness beside a real server: what it counts, and what it makes of a server that goes away."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import psutil
import pytest

from harness.probes.postgres import APPLICATION_NAME, PostgresWitness, _reading

LIMIT_S = 20.0


@asynccontextmanager
async def witnessing(dsn: str) -> AsyncIterator[PostgresWitness]:
    witness = PostgresWitness(dsn)
    try:
        yield witness
    finally:
        await witness.close()


async def figures(witness: PostgresWitness) -> dict[str, float]:
    values, missing = await witness.read()
    assert missing == ()
    return {name.removeprefix("witness.postgres."): value for name, value in values.items()}


async def until(witness: PostgresWitness, holds: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    """Look until the figures are as wanted: a backend's state is written when it comes to it."""
    async with asyncio.timeout(LIMIT_S):
        while not holds(seen := await figures(witness)):
            pass
    return seen


def test_connections_are_told_by_state_without_our_own(
    postgres_child: tuple[subprocess.Popen[bytes], str],
) -> None:
    # A server of its own: what other tests left open on the shared one would be counted.
    _, postgres_dsn = postgres_child

    async def play() -> None:
        async with witnessing(postgres_dsn) as witness:
            # Whoever asked whether it is healthy may still be on its way out.
            before = await until(witness, lambda now: now["connections"] == 0)
            connections: list[Any] = [await asyncpg.connect(postgres_dsn) for _ in range(3)]
            await connections[0].execute("BEGIN")
            await connections[0].execute("LOCK TABLE pg_description IN ACCESS EXCLUSIVE MODE")
            await connections[1].execute("BEGIN")
            waiting = asyncio.create_task(connections[1].execute("LOCK TABLE pg_description"))
            # A backend writes its state down a moment after it has answered.
            wanted = {"connections": 3, "connections_active": 1, "connections_idle": 1, "locks_waiting": 1}
            wanted["connections_idle_in_transaction"] = 1
            seen = await until(witness, lambda now: {name: now[name] for name in wanted} == wanted)
            assert seen["locks"] > before["locks"]
            older = await until(witness, lambda now: now["oldest_transaction_s"] > seen["oldest_transaction_s"])
            assert older["oldest_transaction_s"] < LIMIT_S
            await connections[0].execute("ROLLBACK")
            await waiting
            await connections[1].execute("ROLLBACK")
            after = await until(witness, lambda now: now["connections_idle_in_transaction"] == 0)
            assert after["locks_waiting"] == 0
            for connection in connections:
                await connection.close()

    asyncio.run(play())


def test_a_deadlock_is_counted(postgres_dsn: str) -> None:
    async def lock(connection: Any, keys: tuple[int, int], both: asyncio.Barrier) -> None:
        async with connection.transaction():
            await connection.execute("SET LOCAL deadlock_timeout = '10ms'")
            await connection.execute("SELECT pg_advisory_xact_lock($1)", keys[0])
            await both.wait()
            await connection.execute("SELECT pg_advisory_xact_lock($1)", keys[1])

    async def play() -> None:
        async with witnessing(postgres_dsn) as witness:
            before = await figures(witness)
            pair = [await asyncpg.connect(postgres_dsn) for _ in range(2)]
            both = asyncio.Barrier(2)
            ends = await asyncio.gather(
                *(lock(each, keys, both) for each, keys in zip(pair, [(1, 2), (2, 1)], strict=True)),
                return_exceptions=True,
            )
            assert [type(end) for end in ends].count(asyncpg.DeadlockDetectedError) == 1
            for connection in pair:
                await connection.close()  # a backend's counts are written at its end, at the latest
            await until(witness, lambda now: now["deadlocks"] == before["deadlocks"] + 1)

    asyncio.run(play())


def test_its_one_connection_bears_its_name_and_is_kept(postgres_dsn: str) -> None:
    async def play() -> None:
        async with witnessing(postgres_dsn) as witness:
            own: Any = await asyncpg.connect(postgres_dsn)
            await witness.read()
            backend = witness._connection.get_server_pid()
            question = "SELECT application_name FROM pg_stat_activity WHERE pid = $1"
            assert await own.fetchval(question, backend) == APPLICATION_NAME
            await witness.read()
            assert witness._connection.get_server_pid() == backend
            await own.execute("SELECT pg_terminate_backend($1)", backend)
            # At most one look is lost with the connection, whatever asyncpg makes of an end that comes while it asks.
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InternalClientError):
                await witness.read()
            assert (await figures(witness))["connections"] >= 1
            await own.close()

    asyncio.run(play())


def test_a_paused_server_costs_a_look_and_no_answer_is_read_as_anothers(
    postgres_child: tuple[subprocess.Popen[bytes], str],
) -> None:
    child, dsn = postgres_child
    postmaster = psutil.Process(child.pid)

    async def play() -> None:
        async with witnessing(dsn) as witness:
            await witness.read()
            family = [postmaster, *postmaster.children()]
            for process in family:
                process.suspend()
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await witness.read()
            for process in family:
                process.resume()
            assert (await figures(witness))["connections"] == 0

    asyncio.run(play())


def test_what_a_user_may_not_see_is_missing_and_no_zero(postgres_dsn: str) -> None:
    counted = dict.fromkeys(
        ("connections", "connections_active", "connections_idle", "locks", "oldest_transaction_s"), 1
    )
    assert _reading({**counted, "hidden": 0}).missing == ()
    values, missing = _reading({**counted, "hidden": 2})
    assert values == {"witness.postgres.connections": 1, "witness.postgres.locks": 1}
    assert "witness.postgres.connections_active" in missing

    async def play() -> None:
        own: Any = await asyncpg.connect(postgres_dsn)
        await own.execute("CREATE ROLE nosy LOGIN PASSWORD 'nosy'")
        try:
            address = postgres_dsn.partition("@")[2]
            async with witnessing(f"postgresql://nosy:nosy@{address}") as witness:
                assert (await witness.read()).missing == missing
        finally:
            await own.execute("DROP ROLE nosy")
            await own.close()

    asyncio.run(play())
