"""The Redis client against real servers in every state that it has a word for."""

import asyncio
import subprocess
from typing import Any

import psutil
import pytest
from redis.exceptions import DataError, ResponseError

from harness.load.clients.connections import Reply
from harness.load.clients.redis import RedisClient, outcome_of
from harness.records import Outcome
from tests.harness.load.links import (
    LIMIT_S,
    a_call,
    full_port,
    listening,
    play,
    resetting,
    saying,
    taken_port,
)

RedisChild = tuple[subprocess.Popen[bytes], int]


def url_of(port: int, more: str = "") -> str:
    return f"redis://{more}127.0.0.1:{port}/0"


async def once(url: str, *command: str | bytes | int, **options: Any) -> tuple[Outcome, str, int]:
    """Send one command with a client of its own; return outcome, label, and how many connections are left."""
    call = a_call()
    async with RedisClient(url, **options) as client:
        reply = await client.execute(call, *command or ("PING",))
        return reply.outcome, call.error, client.size


async def tell(port: int, *command: str | bytes | int) -> Any:
    async with RedisClient(url_of(port)) as client:
        reply = await client.execute(a_call(), *command)
        assert reply.outcome is Outcome.OK
        return reply.value


async def until_blocked(port: int, clients: int = 1) -> None:
    """Return once so many clients wait in a blocking command."""
    async with RedisClient(url_of(port)) as client:
        while f"blocked_clients:{clients}\r\n".encode() not in (
            (await client.execute(a_call(), "INFO", "clients")).value or b""
        ):
            pass


def test_values_come_back_and_the_waits_are_apart(redis_child: RedisChild) -> None:
    async def main() -> None:
        async with RedisClient(url_of(redis_child[1]), most=1) as client:
            assert client.size == 0
            first, second, third = a_call(1), a_call(2), a_call(3)
            blocked = client.execute(first, "BLPOP", "nothing", 1)
            replies = await asyncio.gather(blocked, client.execute(second, "SET", "a", 7))
            assert list(replies) == [Reply(Outcome.OK), Reply(Outcome.OK, b"OK")]
            assert await client.execute(third, "GET", "a") == Reply(Outcome.OK, b"7")
            assert (client.size, client.idle) == (1, 1)
        assert client.size == 0
        assert first.connect_ns > 0
        assert first.acquire_ns == 0
        assert second.connect_ns == 0
        assert 0.9e9 + first.connect_ns < second.acquire_ns < 3e9
        assert (third.connect_ns, third.acquire_ns) == (0, 0)

    play(main())


def test_a_new_connection_says_nothing_but_the_command(redis_child: RedisChild) -> None:
    async def main() -> None:
        await tell(redis_child[1], "CONFIG", "RESETSTAT")
        assert await tell(redis_child[1], "PING") == b"PONG"
        stats = (await tell(redis_child[1], "INFO", "commandstats")).decode()
        names = {line.partition(":")[0].partition("|")[0] for line in stats.splitlines()[1:]}
        assert names - {"cmdstat_config", "cmdstat_info"} == {"cmdstat_ping"}

    play(main())


def test_what_a_burst_opened_goes_when_it_lies_idle(redis_child: RedisChild) -> None:
    async def main() -> None:
        async with RedisClient(url_of(redis_child[1]), least=2, most=6, idle_s=0.0) as client:
            await asyncio.gather(*(client.execute(a_call(), "GET", "a") for _ in range(6)))
            await client.execute(a_call(), "GET", "a")
            assert client.size == 2

    play(main())


def test_nobody_listening_refuses_and_opening_the_client_does_not_mind() -> None:
    with taken_port() as port:
        assert play(once(url_of(port))) == (Outcome.REFUSED, "ConnectionRefusedError", 0)


def test_a_connect_that_hangs_is_given_up_at_its_limit(redis_child: RedisChild) -> None:
    with full_port() as port:
        assert play(once(url_of(port), connect_deadline_s=0.2))[::2] == (Outcome.TIMED_OUT, 0)
    paused = psutil.Process(redis_child[0].pid)
    paused.suspend()
    try:
        # The handshake is within the limit too.
        secret = url_of(redis_child[1], ":secret@")
        assert play(once(secret, connect_deadline_s=0.2)) == (Outcome.TIMED_OUT, "TimeoutError", 0)
    finally:
        paused.resume()


def test_a_connection_that_breaks_says_whether_anything_left() -> None:
    async def main() -> None:
        async with listening(resetting) as port:
            assert (await once(url_of(port)))[::2] == (Outcome.RESET, 0)
            assert (await once(url_of(port, ":secret@")))[::2] == (Outcome.REFUSED, 0)

    play(main())


def test_a_server_killed_in_mid_command_resets_and_then_refuses(redis_child: RedisChild) -> None:
    child, port = redis_child

    async def main() -> None:
        async with RedisClient(url_of(port)) as client:
            blocked = asyncio.create_task(client.execute(a_call(), "BLPOP", "nothing", 0))
            await until_blocked(port)
            child.kill()
            assert await blocked == Reply(Outcome.RESET)
            await asyncio.to_thread(child.wait, LIMIT_S)
            assert (await client.execute(a_call(), "PING")).outcome is Outcome.REFUSED
            assert client.size == 0

    play(main())


def test_a_connection_that_ended_while_idle_is_replaced_and_costs_no_call(redis_child: RedisChild) -> None:
    async def main() -> None:
        async with RedisClient(url_of(redis_child[1])) as client:
            number = int((await client.execute(a_call(), "CLIENT", "ID")).value or 0)
            await tell(redis_child[1], "CLIENT", "KILL", "ID", number)
            while (again := await client.execute(a_call(), "CLIENT", "ID")).value == number:
                pass
            assert again.outcome is Outcome.OK
            assert client.size == 1

    play(main())


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9\r\n", b"\0\0\0\0\r\n"])
def test_a_server_of_another_kind_is_a_wrong_reply(answer: bytes) -> None:
    async def main() -> None:
        async with listening(saying(answer)) as port:
            assert await once(url_of(port)) == (Outcome.WRONG_REPLY, "InvalidResponse", 0)

    play(main())


def test_too_many_clients_is_shed(redis_child: RedisChild) -> None:
    async def main() -> None:
        async with RedisClient(url_of(redis_child[1])) as client:
            await client.execute(a_call(), "CONFIG", "SET", "maxclients", 1)
            assert {await once(url_of(redis_child[1])) for _ in range(50)} == {
                (Outcome.SHED, "max number of clients", 0)
            }

    play(main())


@pytest.mark.parametrize(
    ("states", "command", "ended"),
    [
        (["CONFIG SET maxmemory 1"], "SET a 1", (Outcome.SHED, "OOM", 1)),
        (["CONFIG SET min-replicas-to-write 1"], "SET a 1", (Outcome.SHED, "NOREPLICAS", 1)),
        (["REPLICAOF 127.0.0.1 1"], "SET a 1", (Outcome.BAD_STATUS, "READONLY", 1)),
        (["CONFIG SET replica-serve-stale-data no", "REPLICAOF 127.0.0.1 1"], "GET a", (Outcome.SHED, "MASTERDOWN", 1)),
        (["RPUSH a 1"], "GET a", (Outcome.BAD_STATUS, "WRONGTYPE", 1)),
        ([], "NONSENSE", (Outcome.BAD_STATUS, "ERR", 1)),
        (["CONFIG SET requirepass secret"], "GET a", (Outcome.BAD_STATUS, "NOAUTH", 0)),
    ],
)
def test_what_the_server_answers(
    redis_child: RedisChild, states: list[str], command: str, ended: tuple[Outcome, str, int]
) -> None:
    async def main() -> None:
        for state in states:
            await tell(redis_child[1], *state.split())
        assert await once(url_of(redis_child[1]), *command.split()) == ended

    play(main())


def test_a_wrong_password_is_answered(redis_child: RedisChild) -> None:
    async def main() -> None:
        await tell(redis_child[1], "CONFIG", "SET", "requirepass", "right")
        assert await once(url_of(redis_child[1], ":wrong@")) == (Outcome.BAD_STATUS, "WRONGPASS", 0)
        assert await once(url_of(redis_child[1], ":right@")) == (Outcome.OK, "", 1)

    play(main())


def test_a_server_kept_busy_by_a_script_sheds(redis_child: RedisChild) -> None:
    async def main() -> None:
        await tell(redis_child[1], "CONFIG", "SET", "lua-time-limit", 1)
        async with RedisClient(url_of(redis_child[1])) as client:
            script = asyncio.create_task(client.execute(a_call(), "EVAL", "while true do end", 0))
            while (seen := await once(url_of(redis_child[1])))[0] is Outcome.OK:
                pass
            assert seen == (Outcome.SHED, "BUSY", 1)
            assert await tell(redis_child[1], "SCRIPT", "KILL") == b"OK"
            assert (await script).outcome is Outcome.BAD_STATUS

    play(main())


@pytest.mark.parametrize(
    ("answer", "ended"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", (Outcome.SHED, "LOADING")),
        (b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n", (Outcome.SHED, "TRYAGAIN")),
        (b"-CLUSTERDOWN Hash slot not served\r\n", (Outcome.SHED, "CLUSTERDOWN")),
        (b"-MOVED 1 127.0.0.1:1\r\n", (Outcome.BAD_STATUS, "MOVED")),
        (b"-ERR max number of clients + cluster connections reached\r\n", (Outcome.SHED, "max number of clients")),
    ],
)
def test_what_only_a_loading_or_a_clustered_server_answers(answer: bytes, ended: tuple[Outcome, str]) -> None:
    async def main() -> None:
        async with listening(saying(answer)) as port:
            assert (await once(url_of(port)))[:2] == ended

    play(main())


def test_what_the_operation_did_wrong_is_raised() -> None:
    assert outcome_of(DataError("no such thing")) is None
    assert outcome_of(KeyError("a")) is None
    assert outcome_of(ResponseError("lower case")) is Outcome.BAD_STATUS
