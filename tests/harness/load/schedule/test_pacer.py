"""The pacer on a real loop, with both kinds of alarm: never early, and not later than the machine makes it."""

import asyncio
import statistics
import sys
from collections.abc import Callable, Iterator

import pytest
import uvloop

from harness.load.call import now_ns
from harness.load.schedule import pacer as module
from harness.load.schedule.alarm import LoopAlarm, TimerAlarm
from harness.load.schedule.pacer import Arrival, Pacer

LIMIT_S = 15.0
ALARMS = [LoopAlarm, *([TimerAlarm] if sys.platform == "linux" else [])]
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


def pace(
    arrivals: Iterator[Arrival], *, loop: Callable[[], asyncio.AbstractEventLoop], start_s: float = 0.0
) -> tuple[list[tuple[int, int, int]], BaseException | None]:
    """Return (number, due, gone), in ns, of each arrival, and what failed."""
    gone: list[tuple[int, int, int]] = []

    async def work() -> BaseException | None:
        running = asyncio.get_running_loop()
        start_ns = now_ns() + round(start_s * 1e9)

        def go(arrival: Arrival, due_ns: int) -> None:
            gone.append((arrival.number, due_ns, now_ns()))

        pacer = Pacer(running, arrivals, go, start_ns=start_ns)
        pacer.begin()
        async with asyncio.timeout(LIMIT_S):
            await pacer.over.wait()
        pacer.close()
        pacer.close()
        return pacer.failure

    with asyncio.Runner(loop_factory=loop) as runner:
        return gone, runner.run(work())


def every(step_s: float, count: int) -> Iterator[Arrival]:
    return (Arrival(n, n * step_s, "op") for n in range(count))


@pytest.fixture(autouse=True, params=ALARMS, ids=lambda alarm: alarm.__name__)
def alarm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "make_alarm", request.param)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("step_s", [0.02, 0.0013, 0.0001])
def test_no_arrival_goes_early_and_none_is_left_out(
    loop: Callable[[], asyncio.AbstractEventLoop], step_s: float
) -> None:
    count = int(0.3 / step_s)
    gone, failure = pace(every(step_s, count), loop=loop)
    assert failure is None
    assert [number for number, _, _ in gone] == list(range(count))
    assert all(due_ns <= gone_ns for _, due_ns, gone_ns in gone)
    # The schedule is absolute: being late once moves nothing that follows.
    assert [due_ns - gone[0][1] for _, due_ns, _ in gone] == [round(n * step_s * 1e9) for n in range(count)]
    assert statistics.median(gone_ns - due_ns for _, due_ns, gone_ns in gone) < 20e6


def test_it_begins_when_it_is_told_to() -> None:
    gone, _ = pace(every(0.01, 3), loop=uvloop.new_event_loop, start_s=0.2)
    assert all(gone_ns >= due_ns for _, due_ns, gone_ns in gone)


def test_what_is_long_past_goes_at_once_and_lets_others_in_between() -> None:
    gone, _ = pace(every(0.0, 1000), loop=uvloop.new_event_loop, start_s=-5.0)
    assert len(gone) == 1000


def test_a_schedule_without_arrivals_is_over() -> None:
    assert pace(iter(()), loop=uvloop.new_event_loop) == ([], None)


def test_a_schedule_that_fails_is_over_and_told() -> None:
    def broken() -> Iterator[Arrival]:
        yield Arrival(0, 0.0, "op")
        raise ZeroDivisionError

    gone, failure = pace(broken(), loop=uvloop.new_event_loop)
    assert len(gone) == 1
    assert isinstance(failure, ZeroDivisionError)


def test_closed_it_lets_none_go_any_more() -> None:
    gone: list[int] = []

    async def work() -> None:
        pacer = Pacer(
            asyncio.get_running_loop(), every(0.05, 100), lambda arrival, _: gone.append(arrival.number),
            start_ns=now_ns(),
        )  # fmt: skip
        pacer.begin()
        async with asyncio.timeout(LIMIT_S):
            while not gone:
                await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        pacer.close()
        assert pacer.over.is_set()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())
    assert len(gone) < 100
