"""The engine against a real server that can stall: the schedule must not care."""

import asyncio
import gc
import math
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from harness.load.call import NOBODY, Call
from harness.load.clients.http import HttpClient
from harness.load.digest.digest import GENERATOR, Digest
from harness.load.engine.engine import Engine, Part
from harness.load.schedule.arrivals import Spike
from harness.load.schedule.pacer import Arrival
from harness.records import Outcome
from harness.wait import wait_until
from tests.harness.load.engines import LIMIT_S, RATE_PER_S, due, engine, get, samples_of, until_offered, until_over
from tests.harness.servers import Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def test_every_arrival_ends_once_and_when_the_schedule_says_it_is_due(server: Server) -> None:
    load = engine(server, for_s=1.0)
    load.start()
    until_over(load)
    samples = sorted(samples_of(load), key=lambda s: s.intended_s)
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
    stalled_s = load._dispatcher.now_ns() * 1e-9
    until_offered(load, load.offered + 100)  # half a second of arrivals
    freed_s = load._dispatcher.now_ns() * 1e-9
    server.go_on()
    until_offered(load, load.offered + 50)
    assert load.stop(drain_s=LIMIT_S)
    samples = sorted(samples_of(load), key=lambda s: s.intended_s)
    # A margin at both ends: stalling and going on take effect on the server's own thread.
    during = [s for s in samples if stalled_s + 0.05 < s.intended_s < freed_s - 0.05]
    assert len(during) > 40
    for sample in during:
        # What was due during the stall waited for its end, and says so, by both clocks.
        assert sample.response_s >= freed_s - sample.intended_s
        assert sample.acquire_s + sample.connect_s + sample.service_s >= freed_s - sample.sent_s
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
    digest = load.take()
    dropped = digest.counts["get", Outcome.DROPPED]
    assert dropped >= 92
    assert len({path for _, path in server.requests}) == digest.counts.total() - dropped
    assert load.offered == digest.offered == digest.counts.total()
    # How late a dropped arrival was is lag, but no response time.
    assert digest.lags[GENERATOR].total == load.offered
    assert digest.response().total == load.offered - dropped


def test_offered_is_what_ended_and_what_is_in_flight(server: Server) -> None:
    load = engine(server, in_flight_max=50)
    load.start()
    taken = Digest()
    for count in (20, 60, 120):
        if count == 60:
            server.stall()
        until_offered(load, count)
        taken = Digest.sum([taken, load.take()])
        # Read while it goes on: what is offered meanwhile can only widen the gap, by at most what is in flight.
        assert 0 <= load.offered - taken.counts.total() <= 50 + RATE_PER_S
    server.go_on()
    assert load.stop(drain_s=LIMIT_S)
    taken = Digest.sum([taken, load.take()])
    assert load.in_flight == 0
    assert load.offered == taken.offered == taken.counts.total()
    assert load.take().counts.total() == 0


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
    assert load.take().counts == {("get", Outcome.OK): offered}


def test_stopping_before_the_start_is_harmless(server: Server) -> None:
    load = engine(server)
    assert load.stop(drain_s=0.0)
    assert load.offered == 0
    assert server.requests == []


def test_a_call_is_given_up_at_its_deadline_and_keeps_what_it_noted(server: Server) -> None:
    server.stall()
    load = engine(server, for_s=0.2, deadline_s=0.3)
    load.start()
    until_over(load)
    samples = samples_of(load)
    assert {(s.outcome, s.error) for s in samples} == {(Outcome.TIMED_OUT, "deadline")}
    assert sorted(int(s.key) for s in samples) == list(range(load.offered))
    # Not before the deadline; after it by the grain of the look, and what a slow machine adds.
    assert all(0.3 <= s.done_s - s.sent_s < 2.0 for s in samples)
    assert statistics.median(s.done_s - s.sent_s for s in samples) < 0.4


def test_each_operation_has_its_own_deadline(server: Server) -> None:
    server.stall()
    arrivals = iter([Arrival(0, 0.0, "quick"), Arrival(1, 0.0, "slow"), Arrival(2, 0.0, "quick")])
    operations = {"quick": get, "slow": get}
    load = engine(server, arrivals=arrivals, operations=operations, deadlines_s={"quick": 0.2})
    load.start()
    wait_until("the quick", lambda: None if load.in_flight == 1 else f"{load.in_flight}", limit_s=LIMIT_S)
    assert load.take().counts == {("quick", Outcome.TIMED_OUT): 2}
    server.go_on()
    until_over(load)
    assert load.take().counts == {("slow", Outcome.OK): 1}


def test_an_operation_that_will_not_end_is_timed_out_all_the_same(server: Server) -> None:
    async def stubborn(client: HttpClient, call: Call) -> Outcome:
        try:
            await get(client, call)
        except asyncio.CancelledError:
            return Outcome.OK
        return Outcome.OK

    server.stall()
    load = engine(server, for_s=0.05, operations={"get": stubborn}, deadline_s=0.2)
    load.start()
    until_over(load)
    assert set(load.take().counts) == {("get", Outcome.TIMED_OUT)}
    assert load.failure is None


def test_a_herd_leaves_together(server: Server) -> None:
    load = engine(server, arrivals=due(Spike(300)))
    load.start()
    until_over(load)
    samples = samples_of(load)
    assert len(samples) == 300
    assert len({s.intended_s for s in samples}) == 1
    assert {s.outcome for s in samples} == {Outcome.OK}


def test_an_operation_that_raises_is_a_failure_of_the_load(server: Server) -> None:
    async def broken(client: HttpClient, call: Call) -> Outcome:
        if call.number == 5:
            raise KeyError("a bug")
        return await get(client, call)

    load = engine(server, for_s=0.2, operations={"get": broken})
    load.start()
    until_over(load)
    assert isinstance(load.failure, KeyError)
    assert load.take().counts.total() == load.offered - 1


def test_a_schedule_that_raises_is_a_failure_of_the_load(server: Server) -> None:
    def broken() -> Iterator[Arrival]:
        yield Arrival(0, 0.0, "get")
        raise ZeroDivisionError

    load = engine(server, arrivals=broken())
    load.start()
    until_over(load)
    assert isinstance(load.failure, ZeroDivisionError)
    assert load.take().counts.total() == 1


def test_an_operation_that_nobody_knows_is_a_failure_of_the_load(server: Server) -> None:
    load = engine(server, arrivals=iter([Arrival(0, 0.0, "gets")]))
    load.start()
    until_over(load)
    assert isinstance(load.failure, KeyError)


def test_clients_that_cannot_be_opened_are_a_failure_and_start_returns() -> None:
    @asynccontextmanager
    async def connect() -> AsyncIterator[HttpClient]:
        raise OSError("no such thing")
        yield

    load = Engine(Part(iter([Arrival(0, 0.0, "get")]), {"get": get}, connect, 1), epoch_s=time.perf_counter())
    load.start()
    assert load.stop(drain_s=LIMIT_S)
    assert isinstance(load.failure, OSError)


def test_a_load_begins_when_it_is_told_to(server: Server) -> None:
    part = Part(due(Spike(5)), {"get": get}, lambda: HttpClient(server.url), 10)
    load = Engine(part, epoch_s=time.perf_counter(), start_s=0.5)
    load.start()
    until_over(load)
    assert [s.intended_s for s in samples_of(load)] == pytest.approx([0.5] * 5, abs=1e-6)


def test_pauses_of_garbage_collection_are_told(server: Server) -> None:
    load = engine(server)
    load.start()
    until_offered(load, 10)
    load.take()
    gc.collect()
    health = load.take().health[GENERATOR]
    assert health.gc_pauses >= 1
    assert 0 < health.gc_pause_s_max < LIMIT_S
    assert health.cpu_s > 0
    assert health.rss_bytes > 1e6
    before = gc.get_freeze_count()
    held = [[n] for n in range(10_000)]
    load.warm()
    assert gc.get_freeze_count() >= before + len(held), "what was made meanwhile is not frozen"
    assert load.stop(drain_s=LIMIT_S)
    assert gc.get_freeze_count() == 0


def test_a_start_that_is_interrupted_can_be_stopped(server: Server) -> None:
    """Stopping right after the thread began, before it has a loop that could be told."""
    for _ in range(20):
        load = engine(server)
        load._started = True
        load._thread.start()
        assert load.stop(drain_s=LIMIT_S)
        assert load.over


def test_a_due_time_that_cannot_be_is_a_failure_of_the_load(server: Server) -> None:
    load = engine(server, arrivals=iter([Arrival(0, 0.0, "get"), Arrival(1, math.inf, "get")]))
    load.start()
    until_over(load)
    assert isinstance(load.failure, OverflowError)


def test_an_arrival_belongs_to_nobody(server: Server) -> None:
    seen: list[int] = []

    async def look(_client: HttpClient, call: Call) -> Outcome:
        seen.append(call.user)
        return Outcome.OK

    load = engine(server, arrivals=due(Spike(3)), operations={"get": look})
    load.start()
    until_over(load)
    assert seen == [NOBODY] * 3
