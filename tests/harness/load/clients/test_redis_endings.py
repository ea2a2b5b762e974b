"""The Redis client when a call, a link or the server ends in the middle of things."""

import asyncio
import random
import subprocess
from collections import Counter
from collections.abc import Callable

import psutil
import pytest

from harness.load.clients.redis import RedisClient
from harness.records import Outcome
from tests.harness.load.links import LOOPS, Whim, a_call, linked, play

RedisChild = tuple[subprocess.Popen[bytes], int]
# More than the kernel's buffers take.
BIG = b"x" * 16_000_000


def url_of(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


@pytest.mark.parametrize("loop", LOOPS)
def test_no_reply_is_read_as_anothers_when_calls_are_cancelled(
    redis_child: RedisChild, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """ChatGPT, 2023-03-20: a cancelled request's connection went on, and the next user read its reply."""
    rng = random.Random(7331)
    asked = 3000

    async def main() -> None:
        async with RedisClient(url_of(redis_child[1]), most=8) as client:
            for n in range(asked):
                assert (await client.execute(a_call(n), "SET", f"key-{n}", f"value-{n}")).outcome is Outcome.OK
            seen: Counter[str] = Counter()

            async def get(n: int) -> None:
                call = a_call(n)
                try:
                    reply = await client.execute(call, "GET", f"key-{n}")
                except asyncio.CancelledError:
                    seen["cancelled in flight" if call.connect_ns == 0 else "cancelled"] += 1
                    raise
                assert reply == (Outcome.OK, f"value-{n}".encode())
                seen["ok"] += 1

            for begin in range(0, asked, 30):
                tasks = [asyncio.create_task(get(n)) for n in range(begin, begin + 30)]
                for task in tasks:
                    if rng.random() < 0.5:
                        asyncio.get_running_loop().call_later(rng.uniform(0, 0.003), task.cancel)
                ended = await asyncio.gather(*tasks, return_exceptions=True)
                assert {type(end) for end in ended} <= {type(None), asyncio.CancelledError}
            assert seen["ok"] > 500
            assert seen["cancelled in flight"] > 20
            assert client.size == client.idle <= 8

    play(main(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_call_cancelled_on_a_silent_link_is_let_go_at_once(
    redis_child: RedisChild, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def main() -> None:
        async with linked(redis_child[1]) as link, RedisClient(url_of(link.port), most=1) as client:
            assert (await client.execute(a_call(), "PING")).outcome is Outcome.OK
            link.silent = True
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.execute(a_call(), "PING")
            assert client.size == 0
            link.silent = False
            assert (await client.execute(a_call(), "PING")).value == b"PONG"

    play(main(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_paused_server_keeps_no_socket_of_ours_open(
    redis_child: RedisChild, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def main() -> None:
        ours, paused = psutil.Process(), psutil.Process(redis_child[0].pid)
        async with RedisClient(url_of(redis_child[1])) as client:
            assert (await client.execute(a_call(), "PING")).outcome is Outcome.OK
            paused.suspend()
            try:
                for _ in range(3):
                    with pytest.raises(TimeoutError):
                        async with asyncio.timeout(0.1):
                            await client.execute(a_call(), "SET", "big", BIG)
                await asyncio.to_thread(int)  # a round of the loop, for it to let go
                assert [c for c in ours.net_connections("tcp") if c.raddr and c.raddr.port == redis_child[1]] == []
            finally:
                paused.resume()
            assert (await client.execute(a_call(), "GET", "big")).outcome is Outcome.OK

    play(main(), loop)


def test_no_command_is_done_twice_on_links_that_break(redis_child: RedisChild) -> None:
    """Whatever breaks when, the server counts at most one of each call, and one of each that was acknowledged."""
    rng = random.Random(7331)
    sent = 1000

    def whim() -> Whim:
        return rng.choice([Whim.CARRY] * 14 + [Whim.CUT_BEFORE, Whim.CUT_AFTER])

    async def main() -> None:
        outcomes = {}
        async with linked(redis_child[1], whim) as link, RedisClient(url_of(link.port), most=8) as client:

            async def count(n: int) -> None:
                outcomes[n] = (await client.execute(a_call(n), "INCR", f"n-{n}")).outcome

            for begin in range(0, sent, 20):
                await asyncio.gather(*(count(n) for n in range(begin, begin + 20)))
        async with RedisClient(url_of(redis_child[1])) as client:
            keys = [f"n-{n}" for n in range(sent)]
            counts = [int(value or 0) for value in (await client.execute(a_call(), "MGET", *keys)).value or []]
        assert set(counts) == {0, 1}
        for n, outcome in outcomes.items():
            assert outcome in {Outcome.OK, Outcome.REFUSED, Outcome.RESET}
            assert outcome is not Outcome.OK or counts[n] == 1
            assert outcome is not Outcome.REFUSED or counts[n] == 0
        seen = Counter(outcomes.values())
        assert min(seen[Outcome.OK], seen[Outcome.RESET]) > 50

    play(main())
