"""The PostgreSQL client when a call, a link or the server ends in the middle of things."""

import asyncio
import os
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from typing import Any

import asyncpg
import psutil
import pytest

from harness.load.clients.connections import Reply
from harness.load.clients.postgres import PostgresClient
from harness.records import Outcome
from tests.harness.load.backends import at, once, port_of, sleep_long, tell, until_asleep
from tests.harness.load.links import (
    LIMIT_S,
    LOOPS,
    Whim,
    a_call,
    linked,
    play,
)


def test_a_server_that_crashes_and_one_that_goes(postgres_child: tuple[subprocess.Popen[bytes], str]) -> None:
    child, dsn = postgres_child

    sleep = sleep_long()

    async def main() -> None:
        async with PostgresClient(dsn) as client:
            call = a_call()
            asleep = asyncio.create_task(client.fetch(call, sleep))
            os.kill(await until_asleep(dsn, sleep), signal.SIGKILL)
            assert await asleep == Reply(Outcome.RESET)
            # It recovers, then leaves politely: who is in may stay, and nobody else comes in.
            seen = {Outcome.OK: ""}
            while (reply := await client.fetch(call := a_call(), "SELECT 1")).outcome is not Outcome.OK:
                seen[reply.outcome] = call.error
            assert seen.keys() <= {Outcome.OK, Outcome.SHED, Outcome.REFUSED, Outcome.RESET}
            child.send_signal(signal.SIGTERM)
            while (late := await once(dsn))[0] is Outcome.OK:
                pass
            assert late == (Outcome.SHED, "57P03", 0)
            assert (await client.fetch(a_call(), "SELECT 1")).outcome is Outcome.OK
        await asyncio.to_thread(child.wait, LIMIT_S)
        assert (await once(dsn))[0] is Outcome.REFUSED

    play(main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_call_cancelled_on_a_silent_link_is_let_go_at_once(
    postgres_dsn: str, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def main() -> None:
        async with linked(port_of(postgres_dsn)) as link, PostgresClient(at(link.port, postgres_dsn)) as client:
            connected = asyncio.Event()

            async def work(connection: Any) -> None:
                connected.set()
                await connection.execute(sleep_long())

            for do in (client.run, client.transact):
                connected.clear()
                call = asyncio.create_task(do(a_call(), work))
                await connected.wait()
                link.silent = True
                opened = link.opened
                call.cancel()
                async with asyncio.timeout(0.5):
                    await asyncio.wait([call])
                assert call.cancelled()
                assert client.size == 0
                link.silent = False
                # No cancel request went over a connection of its own.
                assert link.opened == opened
                assert (await client.fetch(a_call(), "SELECT 1")).outcome is Outcome.OK

    play(main(), loop)


def test_a_backend_that_is_paused_costs_the_call_and_no_more(postgres_dsn: str) -> None:
    sleep = sleep_long()

    async def main() -> None:
        async with PostgresClient(postgres_dsn, most=2) as client:
            asleep = asyncio.create_task(client.fetch(a_call(), sleep))
            backend = psutil.Process(await until_asleep(postgres_dsn, sleep))
            backend.suspend()
            try:
                asleep.cancel()
                async with asyncio.timeout(0.5):
                    await asyncio.wait([asleep])
                assert client.size == 0
                replies = await asyncio.gather(*(client.fetch(a_call(), "SELECT 1") for _ in range(10)))
                assert {reply.outcome for reply in replies} == {Outcome.OK}
                assert client.size <= 2
            finally:
                backend.resume()
                await tell(postgres_dsn, "SELECT pg_terminate_backend($1)", backend.pid)

    play(main())


def test_no_statement_is_done_twice_on_links_that_break(postgres_dsn: str) -> None:
    """Whatever breaks when, the server has at most one row of each call, and one of each that was acknowledged."""
    rng = random.Random(7331)
    sent = 400

    def whim() -> Whim:
        return rng.choice([Whim.CARRY] * 18 + [Whim.CUT_BEFORE, Whim.CUT_AFTER])

    async def main() -> None:
        await tell(postgres_dsn, "CREATE TABLE done (n int)")
        outcomes = {}
        async with (
            linked(port_of(postgres_dsn), whim) as link,
            PostgresClient(at(link.port, postgres_dsn), most=8) as client,
        ):

            async def insert(n: int) -> None:
                if n % 2:
                    reply = await client.fetch(a_call(n), "INSERT INTO done VALUES ($1)", n)
                    outcomes[n] = reply.outcome
                else:
                    work = lambda c: c.execute("INSERT INTO done VALUES ($1)", n)  # noqa: E731 - one line of it
                    outcomes[n] = (await client.transact(a_call(n), work)).outcome

            for begin in range(0, sent, 20):
                await asyncio.gather(*(insert(n) for n in range(begin, begin + 20)))
        # What was cut on its way may be at work still.
        await tell(
            postgres_dsn,
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE application_name = 'heavyweather-load'",
        )
        connection = await asyncpg.connect(postgres_dsn)
        rows = Counter(row["n"] for row in await connection.fetch("SELECT n FROM done"))
        await connection.close()
        assert set(rows.values()) == {1}
        for n, outcome in outcomes.items():
            assert outcome in {Outcome.OK, Outcome.REFUSED, Outcome.RESET}
            assert outcome is not Outcome.OK or rows[n] == 1
            assert outcome is not Outcome.REFUSED or rows[n] == 0
        seen = Counter(outcomes.values())
        assert min(seen[Outcome.OK], seen[Outcome.RESET], seen[Outcome.REFUSED]) > 10
        await tell(postgres_dsn, "DROP TABLE done")

    play(main())
