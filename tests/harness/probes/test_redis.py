"""The Redis witness beside a real server, and what it makes of texts that are none."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import RedisError

from harness.probes.reading import Unreadable
from harness.probes.redis import RedisWitness, parse_info
from harness.wait import wait_until

RedisChild = tuple[subprocess.Popen[bytes], int]


@asynccontextmanager
async def witnessing(port: int) -> AsyncIterator[RedisWitness]:
    witness = RedisWitness(f"redis://127.0.0.1:{port}/0")
    try:
        yield witness
    finally:
        await witness.close()


async def figures(witness: RedisWitness) -> dict[str, float]:
    values, missing = await witness.read()
    assert missing == ()
    return {name.removeprefix("witness.redis."): value for name, value in values.items()}


def test_channels_are_counted_while_somebody_listens(redis_child: RedisChild) -> None:
    _, port = redis_child

    async def play() -> None:
        async with witnessing(port) as witness:
            assert (await figures(witness))["channels"] == 0
            with redis.Redis(port=port) as own, own.pubsub() as subscriber:
                subscriber.subscribe("a", "b")
                assert [subscriber.get_message(timeout=5) is not None for _ in range(2)] == [True, True]
                assert (await figures(witness))["channels"] == 2
                subscriber.unsubscribe("a")
                assert subscriber.get_message(timeout=5) is not None
                assert (await figures(witness))["channels"] == 1

    asyncio.run(play())


def test_what_the_server_did_is_told(redis_child: RedisChild) -> None:
    _, port = redis_child

    async def play() -> None:
        async with witnessing(port) as witness:
            before = await figures(witness)
            assert (before["keys"], before["clients"]) == (0, 0)
            with redis.Redis(port=port) as own, redis.Redis(port=port, db=3) as other:
                own.set("a", b"x" * 1_000_000)
                own.set("b", 1)
                other.set("c", 1)
                own.get("a")
                own.get("nothing")
                after = await figures(witness)
                own.config_set("maxmemory-policy", "allkeys-random")
                own.config_set("maxmemory", 1)
                assert (await figures(witness))["evicted_keys"] > 0
            assert (after["keys"], after["clients"], after["hits"], after["misses"]) == (3, 2, 1, 1)
            assert after["memory_bytes"] - before["memory_bytes"] > 1_000_000

    asyncio.run(play())


def test_a_client_that_waits_in_the_server_is_blocked(redis_child: RedisChild) -> None:
    _, port = redis_child

    async def play() -> None:
        async with witnessing(port) as witness:
            with redis.Redis(port=port) as own:
                connection = own.connection_pool.get_connection()
                connection.send_command("BLPOP", "nothing", 0)
                async with asyncio.timeout(10):
                    while (await figures(witness))["blocked_clients"] != 1:
                        pass
                own.connection_pool.release(connection)

    asyncio.run(play())


def test_a_server_that_goes_away_costs_looks_and_comes_back(redis_child: RedisChild) -> None:
    child, port = redis_child
    process = psutil.Process(child.pid)

    async def play() -> None:
        async with witnessing(port) as witness:
            await witness.read()
            process.suspend()
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await witness.read()
            process.resume()
            assert "memory_bytes" in await figures(witness)
            child.terminate()
            child.wait()
            for _ in range(2):
                with pytest.raises((RedisError, OSError)):
                    await witness.read()

    asyncio.run(play())


def test_its_connection_is_kept_and_bears_our_name(redis_child: RedisChild) -> None:
    _, port = redis_child

    async def play() -> None:
        async with witnessing(port) as witness:
            with redis.Redis(port=port) as own:
                ids = []
                for _ in range(2):
                    await witness.read()
                    ids.append([client["id"] for client in own.client_list() if client["name"] == "heavyweather"])
                assert ids[0] == ids[1]
                assert len(ids[0]) == 1

    asyncio.run(play())
    with redis.Redis(port=port) as own:

        def seen() -> str | None:
            return "there" if any(client["name"] == "heavyweather" for client in own.client_list()) else None

        wait_until("its end", seen, limit_s=10)


@pytest.mark.parametrize("answer", [None, 7, [b"a"], "text"])
def test_what_is_no_answer_to_info_is_unreadable(answer: object) -> None:
    with pytest.raises(Unreadable):
        parse_info(answer)


@given(st.dictionaries(st.integers(0, 15), st.integers(0, 10**12)), st.binary(max_size=100))
def test_the_keys_of_all_databases_are_added_up(databases: dict[int, int], noise: bytes) -> None:
    lines = [b"db%d:keys=%d,expires=1,avg_ttl=0\r\n" % entry for entry in databases.items()]
    text = b"# Memory\r\nused_memory:77\r\nconnected_clients:3\r\nmaxmemory_policy:noeviction\r\n" + b"".join(lines)
    told = parse_info(text)
    assert told == {"memory_bytes": 77, "clients": 2, "keys": sum(databases.values())}
    assert parse_info(noise)["keys"] >= 0
