"""The PostgreSQL client against real servers: rows, waits, transactions, and each state that it has a word for."""

import asyncio
from typing import Any

import asyncpg
import psutil
import pytest

from harness.load.clients.connections import Reply
from harness.load.clients.postgres import PostgresClient
from harness.records import Outcome
from tests.harness.load.backends import at, once, sleep_long, tell, until_asleep
from tests.harness.load.links import (
    a_call,
    full_port,
    listening,
    play,
    resetting,
    saying,
    taken_port,
)


def test_rows_come_back_and_the_waits_are_apart(postgres_dsn: str) -> None:
    async def main() -> None:
        async with PostgresClient(postgres_dsn, most=1) as client:
            assert client.size == 0
            first, second, third = a_call(1), a_call(2), a_call(3)
            replies = await asyncio.gather(
                client.fetch(first, "SELECT $1::int AS n, pg_sleep(0.3)", 7), client.fetch(second, "SELECT 8 AS n")
            )
            assert [(reply.outcome, reply.value and reply.value[0]["n"]) for reply in replies] == [
                (Outcome.OK, 7),
                (Outcome.OK, 8),
            ]
            assert (await client.fetch(third, "SELECT 9")).outcome is Outcome.OK
            assert (client.size, client.idle) == (1, 1)
        assert client.size == 0
        assert first.connect_ns > 0
        assert first.acquire_ns == 0
        assert second.connect_ns == 0
        assert 0.29e9 + first.connect_ns < second.acquire_ns < 2e9 + first.connect_ns
        assert (third.connect_ns, third.acquire_ns) == (0, 0)

    play(main())


def test_a_call_that_waits_for_a_place_and_then_connects_has_both_apart(postgres_dsn: str) -> None:
    sleep = sleep_long()

    async def main() -> None:
        async with PostgresClient(postgres_dsn, most=1) as client:
            given_up = asyncio.create_task(client.fetch(a_call(), sleep))
            await until_asleep(postgres_dsn, sleep)
            call = a_call()
            loop = asyncio.get_running_loop()
            waiting = asyncio.create_task(client.fetch(call, "SELECT 1"))
            began_s = loop.time()
            loop.call_later(0.2, given_up.cancel)
            assert (await waiting).outcome is Outcome.OK
            took_ns = (loop.time() - began_s + 0.01) * 1e9
            assert call.acquire_ns > 0.19e9
            assert call.connect_ns > 0
            assert call.acquire_ns + call.connect_ns < took_ns

    play(main())


def test_a_wait_that_is_given_up_is_noted_and_takes_no_place(postgres_dsn: str) -> None:
    sleep = sleep_long()

    async def main() -> None:
        async with PostgresClient(postgres_dsn, most=1) as client:
            holder = asyncio.create_task(client.fetch(a_call(), sleep))
            await until_asleep(postgres_dsn, sleep)
            call = a_call()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.fetch(call, "SELECT 1")
            assert call.acquire_ns > 0.09e9
            holder.cancel()
            assert (await client.fetch(a_call(), "SELECT 1")).outcome is Outcome.OK

    play(main())


def test_what_a_burst_opened_goes_when_it_lies_idle(postgres_dsn: str) -> None:
    async def main() -> None:
        async with PostgresClient(postgres_dsn, least=2, most=6, idle_s=0.0) as client:
            await asyncio.gather(*(client.fetch(a_call(), "SELECT pg_sleep(0.05)") for _ in range(6)))
            await client.fetch(a_call(), "SELECT 1")
            assert client.size == 2

    play(main())


def test_nobody_listening_refuses_and_opening_the_client_does_not_mind() -> None:
    with taken_port() as port:
        assert play(once(at(port))) == (Outcome.REFUSED, "ConnectionRefusedError", 0)


def test_a_connect_that_hangs_is_given_up_at_its_limit(postgres_dsn: str) -> None:
    with full_port() as port:
        assert play(once(at(port), connect_deadline_s=0.2)) == (Outcome.TIMED_OUT, "TimeoutError", 0)
    number = play(tell(postgres_dsn, r"SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int"))
    postmaster = psutil.Process(number)
    postmaster.suspend()
    try:
        assert play(once(postgres_dsn, connect_deadline_s=0.2)) == (Outcome.TIMED_OUT, "TimeoutError", 0)
    finally:
        postmaster.resume()


def test_a_connection_reset_while_it_opens_took_nothing() -> None:
    async def main() -> None:
        async with listening(resetting) as port:
            assert (await once(at(port)))[0] is Outcome.REFUSED

    play(main())


@pytest.mark.parametrize(
    ("answer", "ended"),
    [
        (b"R\0\0\0\x04", (Outcome.WRONG_REPLY, "InternalClientError", 0)),
        (b"R\0\0\0\x08\0\0\0\x63", (Outcome.WRONG_REPLY, "InterfaceError", 0)),
        # The beginning of a very long message, as far as anyone can tell.
        (b"SSH-2.0-OpenSSH_9\r\n", (Outcome.TIMED_OUT, "TimeoutError", 0)),
    ],
)
def test_a_server_of_another_kind(answer: bytes, ended: tuple[Outcome, str, int]) -> None:
    async def main() -> None:
        async with listening(saying(answer)) as port:
            assert await once(at(port), connect_deadline_s=0.5) == ended

    play(main())


@pytest.mark.parametrize(
    ("sql", "state"),
    [
        ("SELEC 1", "42601"),
        ("SELECT 1/0", "22012"),
        ("SELECT * FROM nowhere", "42P01"),
        ("INSERT INTO pg_type SELECT * FROM pg_type LIMIT 1", "23505"),
    ],
)
def test_an_error_that_the_server_answers_leaves_the_connection(postgres_dsn: str, sql: str, state: str) -> None:
    assert play(once(postgres_dsn, sql)) == (Outcome.BAD_STATUS, state, 1)


def test_a_statement_that_the_server_gives_up_is_answered(postgres_dsn: str) -> None:
    slow = f"{postgres_dsn}?statement_timeout=50"
    assert play(once(slow, sleep_long())) == (Outcome.BAD_STATUS, "57014", 1)


def test_a_server_that_does_not_let_us_in_has_answered(postgres_dsn: str) -> None:
    assert play(once(postgres_dsn.replace("only-the-tests", "wrong"))) == (Outcome.BAD_STATUS, "28P01", 0)
    assert play(once(postgres_dsn.replace("/postgres", "/nowhere"))) == (Outcome.BAD_STATUS, "3D000", 0)


def test_too_many_connections_is_shed(postgres_dsn: str) -> None:
    async def main() -> None:
        await tell(postgres_dsn, "CREATE ROLE narrow LOGIN PASSWORD 'only-the-tests' CONNECTION LIMIT 1")
        narrow = postgres_dsn.replace("//heavyweather:", "//narrow:")
        async with PostgresClient(narrow) as client:
            assert (await client.fetch(a_call(), "SELECT 1")).outcome is Outcome.OK
            assert await once(narrow) == (Outcome.SHED, "53300", 0)
        await tell(postgres_dsn, "DROP ROLE narrow")

    play(main())


def test_a_backend_that_is_ended_in_mid_query_resets(postgres_dsn: str) -> None:
    sleep = sleep_long()

    async def main() -> None:
        async with PostgresClient(postgres_dsn) as client:
            call = a_call()
            asleep = asyncio.create_task(client.fetch(call, sleep))
            pid = await until_asleep(postgres_dsn, sleep)
            assert await tell(postgres_dsn, "SELECT pg_terminate_backend($1)", pid)
            assert await asleep == Reply(Outcome.RESET)
            assert call.error in {"57P01", "08003"}  # the server's last word, or asyncpg's where that came with the end
            assert client.size == 0
            again = a_call()
            assert (await client.fetch(again, "SELECT 1")).outcome is Outcome.OK
            assert again.connect_ns > 0

    play(main())


def test_a_backend_that_is_ended_between_statements_resets(postgres_dsn: str) -> None:
    async def main() -> None:
        async def work(connection: Any) -> None:
            gone = asyncio.Event()
            connection.add_termination_listener(lambda _: gone.set())
            pid = connection.get_server_pid()
            assert await tell(postgres_dsn, "SELECT pg_terminate_backend($1)", pid)
            await gone.wait()
            await connection.fetch("SELECT 1")

        async with PostgresClient(postgres_dsn) as client:
            assert await client.transact(a_call(), work) == Reply(Outcome.RESET)
            assert client.size == 0

    play(main())


def test_a_connection_that_ended_while_idle_is_replaced_and_costs_no_call(postgres_dsn: str) -> None:
    async def main() -> None:
        async with PostgresClient(postgres_dsn) as client:
            gone = asyncio.Event()

            async def work(connection: Any) -> int:
                connection.add_termination_listener(lambda _: gone.set())
                return int(connection.get_server_pid())

            pid = (await client.run(a_call(), work)).value
            await tell(postgres_dsn, "SELECT pg_terminate_backend($1)", pid)
            await gone.wait()
            assert (await client.fetch(a_call(), "SELECT 1")).outcome is Outcome.OK
            assert client.size == 1

    play(main())


def test_what_the_operation_did_wrong_is_raised_and_no_place_is_lost(postgres_dsn: str) -> None:
    async def main() -> None:
        async with PostgresClient(postgres_dsn, most=1) as client:
            for _ in range(3):
                with pytest.raises(asyncpg.DataError, match="invalid input"):
                    await client.fetch(a_call(), "SELECT $1::int", "seven")
            assert (await client.fetch(a_call(), "SELECT 1")).outcome is Outcome.OK
        with pytest.raises(asyncpg.ClientConfigurationError):
            await once("postgresql://a@127.0.0.1:1/b?sslmode=nonsense")

    play(main())


def test_a_transaction_is_whole_or_nothing(postgres_dsn: str) -> None:
    async def main() -> None:
        await tell(postgres_dsn, "CREATE TABLE whole (n int PRIMARY KEY)")

        async def add(connection: Any, *numbers: int) -> int:
            for n in numbers:
                await connection.execute("INSERT INTO whole VALUES ($1)", n)
            return len(numbers)

        async def hide(connection: Any) -> None:
            await add(connection, 5)
            with pytest.raises(asyncpg.UniqueViolationError):
                await add(connection, 1)

        async with PostgresClient(postgres_dsn) as client:
            assert await client.transact(a_call(), lambda c: add(c, 1, 2)) == Reply(Outcome.OK, 2)
            doubled, hidden, left = a_call(), a_call(), a_call()
            assert await client.transact(doubled, lambda c: add(c, 3, 1)) == Reply(Outcome.BAD_STATUS)
            assert (doubled.error, client.size) == ("23505", 1)
            assert await client.transact(hidden, hide) == Reply(Outcome.BAD_STATUS)
            assert hidden.error == "25P02"
            # A transaction that an operation left open is not handed to the next.
            assert (await client.run(left, lambda c: c.execute("BEGIN; INSERT INTO whole VALUES (6)"))).outcome is (
                Outcome.OK
            )
            assert client.size == 0
            rows = (await client.fetch(a_call(), "SELECT n FROM whole ORDER BY n")).value or []
            assert [row["n"] for row in rows] == [1, 2]
        await tell(postgres_dsn, "DROP TABLE whole")

    play(main())
