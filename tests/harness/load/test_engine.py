"""The engine against a real server that can stall: the schedule must not care."""

import itertools
import statistics
import time
from collections.abc import Iterator

import pytest

from harness.load.arrivals import constant, schedule
from harness.load.engine import Engine, LoadPlan
from harness.load.http import HttpClient
from harness.load.mix import Ending, Operation
from harness.records import Outcome, Sample
from infra.ready import wait_until
from tests.harness.servers import Server, serving

RATE_PER_S = 200.0
LIMIT_S = 15.0


async def get(client: HttpClient, number: int) -> Ending:
    ended = await client.send("GET", f"/{number}")
    return Ending(ended.outcome, str(number), str(ended.get("path")))


def engine(
    server: Server,
    *,
    for_s: float = 60.0,
    operation: Operation = get,
    in_flight_max: int = 500,
    arrivals: Iterator[float] | None = None,
    deadline_s: float = LIMIT_S,
) -> Engine:
    plan = LoadPlan(
        arrivals=arrivals or schedule(constant(RATE_PER_S, for_s)),
        names=itertools.repeat("get"),
        operations={"get": operation},
        connect=lambda: HttpClient(server.url, deadline_s=deadline_s),
        in_flight_max=in_flight_max,
    )
    return Engine(plan, epoch_s=time.perf_counter())


def until_offered(load: Engine, count: int) -> None:
    wait_until(f"{count} arrivals", lambda: None if load.offered >= count else f"{load.offered}", limit_s=LIMIT_S)


def until_over(load: Engine) -> None:
    wait_until("the end of the load", lambda: "running" if load._thread.is_alive() else None, limit_s=LIMIT_S)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def test_every_arrival_ends_once_and_when_the_schedule_says_it_is_due(server: Server) -> None:
    load = engine(server, for_s=1.0)
    load.start()
    until_over(load)
    samples = sorted(load.take(), key=lambda s: s.intended_s)
    assert load.failure is None
    assert [s.key for s in samples] == [str(n) for n in range(int(RATE_PER_S))]
    assert all(s.outcome is Outcome.OK and s.answer == f"/{s.key}" for s in samples)
    begun_s = samples[0].intended_s
    assert [s.intended_s - begun_s for s in samples] == pytest.approx([n / RATE_PER_S for n in range(len(samples))])
    assert all(s.intended_s <= s.sent_s <= s.done_s for s in samples), "a request left before it was due"
    assert statistics.median(s.lag_s for s in samples) < 0.02
    assert [path for _, path in server.requests] != []
    assert load.offered == len(samples)
    assert load.in_flight == 0


def test_requests_leave_on_time_while_the_server_stalls_and_their_times_show_the_stall(server: Server) -> None:
    load = engine(server)
    load.start()
    until_offered(load, 50)
    server.stall()
    stalled_s = load._now_s()
    until_offered(load, load.offered + 100)  # half a second of arrivals
    freed_s = load._now_s()
    server.go_on()
    until_offered(load, load.offered + 50)
    assert load.stop(drain_s=LIMIT_S)
    samples = sorted(load.take(), key=lambda s: s.intended_s)
    # A margin at both ends: stalling and going on take effect on the server's own thread.
    during = [s for s in samples if stalled_s + 0.05 < s.intended_s < freed_s - 0.05]
    assert len(during) > 40
    for sample in during:
        # What was due during the stall waited for its end, and says so, by both clocks.
        assert sample.response_s >= freed_s - sample.intended_s
        assert sample.service_s >= freed_s - sample.sent_s
    assert statistics.median(s.lag_s for s in during) < 0.02
    begun_s = samples[0].intended_s
    assert [s.intended_s - begun_s for s in samples] == pytest.approx([n / RATE_PER_S for n in range(len(samples))])
    healthy = [s.response_s for s in samples if s.done_s < stalled_s]
    assert statistics.median(healthy) < statistics.median(s.response_s for s in during) / 3


def test_an_arrival_that_finds_no_slot_is_dropped_and_told(server: Server) -> None:
    server.stall()
    load = engine(server, in_flight_max=8)
    load.start()
    until_offered(load, 100)
    assert load.in_flight == 8
    server.go_on()
    assert load.stop(drain_s=LIMIT_S)
    samples = load.take()
    dropped = [s for s in samples if s.outcome is Outcome.DROPPED]
    assert len(dropped) >= 92
    assert all(s.sent_s == s.done_s >= s.intended_s and s.key == "" for s in dropped)
    assert len({path for _, path in server.requests}) == len(samples) - len(dropped)
    assert load.offered == len(samples)


def test_offered_is_what_ended_and_what_is_in_flight(server: Server) -> None:
    load = engine(server, in_flight_max=50)
    load.start()
    taken: list[Sample] = []
    for count in (20, 60, 120):
        if count == 60:
            server.stall()
        until_offered(load, count)
        taken += load.take()
        # Read while it goes on: what is offered meanwhile can only widen the gap, by at most what is in flight.
        assert 0 <= load.offered - len(taken) <= 50 + RATE_PER_S
    server.go_on()
    assert load.stop(drain_s=LIMIT_S)
    taken += load.take()
    assert load.in_flight == 0
    assert load.offered == len(taken)
    assert load.take() == []


def test_stopping_ends_the_arrivals_and_lets_the_rest_end(server: Server) -> None:
    server.stall()
    load = engine(server)
    load.start()
    until_offered(load, 30)
    assert not load.stop(drain_s=0.05), "it said that all had ended while the server stalled"
    offered = load.offered
    assert load.in_flight == offered
    server.go_on()
    assert load.stop(drain_s=LIMIT_S)
    assert load.stop(drain_s=0.0)
    assert load.offered == offered
    assert [s.outcome for s in load.take()] == [Outcome.OK] * offered


def test_stopping_before_the_start_is_harmless(server: Server) -> None:
    load = engine(server)
    assert load.stop(drain_s=0.0)
    assert load.offered == 0
    assert server.requests == []


def test_a_server_that_never_answers_does_not_hold_the_end_past_the_deadline(server: Server) -> None:
    server.stall()
    load = engine(server, for_s=0.2, deadline_s=0.3)
    load.start()
    until_over(load)
    assert {s.outcome for s in load.take()} == {Outcome.TIMED_OUT}


def test_an_operation_that_raises_is_a_failure_of_the_load(server: Server) -> None:
    async def broken(client: HttpClient, number: int) -> Ending:
        if number == 5:
            raise KeyError("a bug")
        return await get(client, number)

    load = engine(server, for_s=0.2, operation=broken)
    load.start()
    until_over(load)
    assert isinstance(load.failure, KeyError)
    assert len(load.take()) == load.offered - 1


def test_a_schedule_that_raises_is_a_failure_of_the_load(server: Server) -> None:
    def broken() -> Iterator[float]:
        yield 0.0
        raise ZeroDivisionError

    load = engine(server, arrivals=broken())
    load.start()
    until_over(load)
    assert isinstance(load.failure, ZeroDivisionError)
    assert len(load.take()) == 1


def test_a_client_that_cannot_be_built_is_a_failure_and_start_returns() -> None:
    def connect() -> HttpClient:
        raise OSError("no such thing")

    plan = LoadPlan(iter([0.0]), itertools.repeat("get"), {"get": get}, connect, 1)
    load = Engine(plan, epoch_s=time.perf_counter())
    load.start()
    assert load.stop(drain_s=LIMIT_S)
    assert isinstance(load.failure, OSError)
