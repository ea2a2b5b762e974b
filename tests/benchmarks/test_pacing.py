"""The peers' pacer: absolute, never early, capped; errors are not swallowed."""

import asyncio

import pytest

from benchmarks.contestants.pacing import pace
from benchmarks.contestants.task import Task


class Machine:
    """A clock that only sleeping moves, always `late_s` further than asked; waiting for it lets the others run."""

    def __init__(self, late_s: float = 0.0) -> None:
        self.now_s = 50.0
        self.late_s = late_s
        self.slept_s: list[float] = []
        self.sent_s: list[float] = []

    def now(self) -> float:
        return self.now_s

    async def sleep(self, duration_s: float) -> None:
        self.slept_s.append(duration_s)
        self.now_s += duration_s + self.late_s
        await turn()

    async def send(self) -> None:
        self.sent_s.append(self.now_s - 50.0)


async def turn() -> None:
    """Let everything else that is ready run once."""
    loop = asyncio.get_running_loop()
    passed = loop.create_future()
    loop.call_soon(passed.set_result, None)
    await passed


def task(rate_per_s: float, for_s: float, connections: int = 50) -> Task:
    return Task("", rate_per_s, for_s, connections)


def test_lateness_of_each_sleep_does_not_add_up() -> None:
    machine = Machine(late_s=0.003)
    dropped = asyncio.run(pace(machine.send, task(100, 2), now=machine.now, sleep=machine.sleep))
    assert (dropped, len(machine.sent_s)) == (0, 200)
    lateness_s = [sent_s - number / 100 for number, sent_s in enumerate(machine.sent_s)]
    # Each is sent when the pacer sleeps for the next; none was let go before it was due, none later than by one turn.
    assert min(lateness_s) >= -1e-9
    assert max(lateness_s) <= 0.01 + 0.003 + 1e-9


def test_a_machine_that_slept_long_catches_up_at_once() -> None:
    machine = Machine(late_s=0.5)
    asyncio.run(pace(machine.send, task(10, 2), now=machine.now, sleep=machine.sleep))
    assert len(machine.sent_s) == 20
    assert machine.now_s - 50.0 <= 1.9 + 0.5 + 1e-9


def test_it_never_spins_on_sleeps_that_the_loop_rounds_to_nothing() -> None:
    machine = Machine()
    asyncio.run(pace(machine.send, task(10_000, 0.1), now=machine.now, sleep=machine.sleep))
    assert min(machine.slept_s) >= 0.001


def test_an_arrival_that_finds_no_connection_is_dropped() -> None:
    machine = Machine()
    sent = 0

    async def send() -> None:
        nonlocal sent
        sent += 1
        # Longer than there are arrivals: each of those lets the others run once.
        for _ in range(50):
            await turn()

    dropped = asyncio.run(pace(send, task(10, 1, connections=1), now=machine.now, sleep=machine.sleep))
    assert (sent, dropped) == (1, 9)


def test_an_error_ends_it_and_is_raised() -> None:
    machine = Machine()

    async def send() -> None:
        raise ConnectionResetError("gone")

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(pace(send, task(10, 100), now=machine.now, sleep=machine.sleep))
    assert caught.group_contains(ConnectionResetError, match="gone")
    assert len(machine.slept_s) < 5


def test_flat_out_every_connection_is_used_again_until_the_end() -> None:
    machine = Machine()
    under_way, most, sent = 0, 0, 0

    async def send() -> None:
        nonlocal under_way, most, sent
        under_way, sent = under_way + 1, sent + 1
        most = max(most, under_way)
        machine.now_s += 0.01
        await turn()
        under_way -= 1

    asyncio.run(pace(send, task(float("inf"), 1, connections=5), now=machine.now, sleep=machine.sleep))
    assert (most, machine.slept_s) == (5, [])
    assert 100 <= sent < 100 + 5
