"""The background: one question at a time each, a limit, and an end whoever hangs."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from harness.probes.background import Answer, Background, Errand
from harness.probes.reading import Reading, Unreadable
from harness.wait import wait_until
from tests.harness.probes.slow import Ready, Told

LIMIT_S = 10.0


@pytest.fixture
def background() -> Iterator[Background]:
    running = Background()
    yield running
    running.close()


def answers(background: Background, *names: str) -> list[Answer]:
    """Return what is answered until all of the names have."""
    seen: list[Answer] = []

    def missing() -> str | None:
        seen.extend(background.take())
        return ", ".join(name for name in names if background.waits_for(name)) or None

    wait_until("answers", missing, limit_s=LIMIT_S)
    return seen


def test_one_that_hangs_is_late_alone(background: Background) -> None:
    told, ready = Told("a"), Ready("b")
    background.ask([told, ready])
    assert answers(background, "b") == [Answer("b", Reading({"b.figure": 1.0}))]
    assert background.waits_for("a")
    assert not background.waits_for("b")
    background.ask([ready])
    assert answers(background, "b") == [Answer("b", Reading({"b.figure": 2.0}))]
    told.tell(7.0)
    assert answers(background, "a") == [Answer("a", Reading({"a.figure": 7.0}))]
    assert told.asked == 1


def test_a_limit_ends_a_look_and_says_so(background: Background) -> None:
    told = Told("a")
    background.ask([told], deadline_s=0.02)
    assert answers(background, "a") == [Answer("a", None, "no answer within 0.02 s")]
    background.ask([told])
    told.wait_asked()
    assert told.most_at_once == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError("postgresql://user:secret@host"), "ConnectionRefusedError"),
        (Unreadable("status 404"), "status 404"),
        (TimeoutError("of its own"), "TimeoutError"),
    ],
)
def test_why_it_failed_is_told_without_what_the_error_quotes(
    background: Background, error: Exception, said: str
) -> None:
    ready = Ready("a")
    ready.error = error
    background.ask([ready])
    assert answers(background, "a") == [Answer("a", None, said)]


def test_a_wait_is_for_those_that_were_asked_last_and_ends_with_their_answers(background: Background) -> None:
    hanging, ready = Told("a"), Ready("b")
    background.ask([hanging])
    began_s = time.monotonic()
    assert list(background.take(wait_s=0.05)) == []
    assert time.monotonic() - began_s >= 0.05
    background.ask([ready, Ready("c")])
    assert sorted(answer.name for answer in background.take(wait_s=LIMIT_S)) == ["b", "c"]
    assert time.monotonic() - began_s < LIMIT_S
    assert background.waits_for("a")


def test_nothing_asked_costs_no_thread() -> None:
    before = threading.active_count()
    idle = Background()
    idle.ask([])
    assert list(idle.take()) == []
    assert threading.active_count() == before
    idle.close()


def test_the_end_gives_up_and_closes_every_probe() -> None:
    background, told = Background(), Told("a")
    background.ask([told])
    told.wait_asked()
    background.close()
    assert told.closed.is_set()
    assert told.at_once == 0
    background.close()


def test_a_probe_that_will_not_close_ends_no_less() -> None:
    class Clinging(Ready):
        async def close(self) -> None:
            await asyncio.Event().wait()

    background = Background()
    background.ask([Clinging("a")])
    assert answers(background, "a")
    began_s = time.monotonic()
    background.close()
    assert time.monotonic() - began_s < 5
    assert not any(thread.name == "probes" for thread in threading.enumerate())


def test_an_errand_runs_elsewhere_and_never_twice_at_once() -> None:
    errand, go_on, where = Errand("errand"), threading.Event(), []

    def work() -> int:
        where.append(threading.current_thread().name)
        assert go_on.wait(LIMIT_S)
        return 7

    async def play() -> None:
        first = asyncio.create_task(errand.run(work))
        await asyncio.wait([first], timeout=0)
        with pytest.raises(Unreadable):
            await errand.run(work)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        with pytest.raises(Unreadable):
            await errand.run(work)
        go_on.set()
        while True:
            try:
                assert await errand.run(work) == 7
            except Unreadable:
                continue
            break
        with pytest.raises(ZeroDivisionError):
            await errand.run(lambda: 1 // 0)

    asyncio.run(play())
    assert set(where) == {"errand"}
