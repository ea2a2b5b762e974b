"""Calls that their callers give up: which, when, and what becomes of them on a real engine."""

import asyncio
import contextlib
import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.call import Call
from harness.load.clients.http import HttpClient
from harness.load.digest.digest import Digest
from harness.load.engine.users import Users
from harness.load.schedule.arrivals import Spike
from harness.load.schedule.cancels import Cancels
from harness.load.schedule.mix import Mix
from harness.records import Outcome
from harness.wait import wait_until
from tests.harness.load.engines import LIMIT_S, due, engine, get, samples_of, until_offered, until_over
from tests.harness.servers import Server, serving

seeds = st.integers(0, 2**64)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@given(seed=seeds, number=st.integers(0, 2**50), span_s=st.tuples(st.floats(0, 10), st.floats(0, 10)).map(sorted))
def test_whoever_plays_a_call_it_is_given_up_at_the_same_moment_within_the_span(
    seed: int, number: int, span_s: list[float]
) -> None:
    cancels = Cancels(0.5, *span_s)
    after_s = cancels.after_s(seed, number)
    assert after_s == Cancels(0.5, *span_s).after_s(seed, number)
    assert after_s is None or span_s[0] <= after_s <= span_s[1]
    assert Cancels(1.0, *span_s).after_s(seed, number) is not None


@given(seed=seeds, fraction=st.floats(0.05, 0.95))
def test_the_share_is_the_one_asked_for(seed: int, fraction: float) -> None:
    drawn = [Cancels(fraction, 0.0, 1.0).after_s(seed, number) for number in range(1000)]
    chosen = [after_s for after_s in drawn if after_s is not None]
    # Six standard deviations.
    assert abs(len(chosen) - 1000 * fraction) <= 6 * math.sqrt(1000 * fraction * (1 - fraction))
    assert len(set(chosen)) == len(chosen), "each has a moment of its own"


def test_two_seeds_give_up_different_calls() -> None:
    one, other = ([Cancels(0.5, 0, 1).after_s(seed, n) is None for n in range(64)] for seed in (1, 2))
    assert one != other


@pytest.mark.parametrize("bad", [(0.0, 0, 1), (1.1, 0, 1), (0.5, -1, 1), (0.5, 2, 1), (math.nan, 0, 1)])
def test_a_share_or_a_span_that_cannot_be_is_refused(bad: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="fraction must be above 0"):
        Cancels(*bad)


def test_a_call_given_up_in_flight_is_cancelled_and_its_connection_is_gone(server: Server) -> None:
    server.stall()
    load = engine(server, for_s=0.2, cancel_s=lambda number: 0.05 if number % 2 else None)
    load.start()

    def odd_ones() -> str | None:
        seen = load.offered, load.in_flight
        return None if seen == (40, 20) else f"{seen}"

    wait_until("the odd ones to be over", odd_ones, limit_s=LIMIT_S)
    server.go_on()
    until_over(load)
    digest = load.take()
    assert digest.counts == {("get", Outcome.OK): 20, ("get", Outcome.CANCELLED): 20}
    # Trouble of nobody, and its time says nothing of the system.
    assert not digest.errors
    assert digest.response().total == 20
    given_up = [sample for sample in digest.samples if sample.outcome is Outcome.CANCELLED]
    assert sorted(int(sample.key) for sample in given_up) == list(range(1, 40, 2))
    # A fast loop counts in whole milliseconds.
    assert all(0.048 <= sample.done_s - sample.sent_s < LIMIT_S / 3 for sample in given_up)
    # A late reply to one that was given up is nobody's answer.
    assert all(sample.answer == f"/{sample.key}" for sample in digest.samples if sample.outcome is Outcome.OK)


def test_a_call_that_ends_before_its_moment_is_as_any_other(server: Server) -> None:
    load = engine(server, for_s=0.3, cancel_s=lambda _: 5.0)
    load.start()
    until_over(load)
    assert {sample.outcome for sample in samples_of(load)} == {Outcome.OK}


@pytest.mark.parametrize(("cancel_s", "outcome"), [(0.05, Outcome.CANCELLED), (0.6, Outcome.TIMED_OUT)])
def test_of_deadline_and_caller_the_first_ends_a_call(server: Server, cancel_s: float, outcome: Outcome) -> None:
    server.stall()
    load = engine(server, arrivals=due(Spike(5)), deadline_s=0.3, cancel_s=lambda _: cancel_s)
    load.start()
    until_over(load)
    assert {sample.outcome for sample in samples_of(load)} == {outcome}


def test_an_operation_that_does_not_end_when_given_up_is_given_up_once(server: Server) -> None:
    struck = []

    async def stubborn(_client: HttpClient, call: Call) -> Outcome:
        for _ in range(3):
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.15):
                        await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                struck.append(call.number)
        return Outcome.OK

    # The deadline comes while it still goes on.
    load = engine(server, arrivals=due(Spike(3)), operations={"get": stubborn}, deadline_s=0.1, cancel_s=lambda _: 0.0)
    load.start()
    until_over(load)
    assert sorted(struck) == [0, 1, 2]
    assert load.take().counts == {("get", Outcome.CANCELLED): 3}


def test_an_operation_that_breaks_when_given_up_is_no_failure_of_the_load(server: Server) -> None:
    async def brittle(_client: HttpClient, _call: Call) -> Outcome:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            raise ZeroDivisionError from None
        return Outcome.OK

    load = engine(server, arrivals=due(Spike(3)), operations={"get": brittle}, cancel_s=lambda _: 0.0)
    load.start()
    until_over(load)
    assert load.failure is None
    assert load.take().counts == {("get", Outcome.CANCELLED): 3}


def test_a_user_whose_call_is_given_up_goes_on(server: Server) -> None:
    server.stall()
    users = Users(count=2, mix=Mix({"get": 1}), think_s=0.0)
    sessions = list(users.sessions(1, shard=0, of=1))
    load = engine(server, arrivals=iter(()), cancel_s=lambda _: 0.02, sessions=sessions)
    load.start()
    seen = Digest()

    def several() -> str | None:
        nonlocal seen
        seen = Digest.sum([seen, load.take()])
        return None if seen.counts["get", Outcome.CANCELLED] >= 6 else "few"

    wait_until("calls to be given up", several, limit_s=LIMIT_S)
    server.go_on()
    assert load.stop(drain_s=LIMIT_S)
    assert load.failure is None


def test_what_is_cancelled_leaves_its_slot(server: Server) -> None:
    server.stall()
    load = engine(server, operations={"get": get}, in_flight_max=40, cancel_s=lambda _: 0.05)
    load.start()
    until_offered(load, 100)
    server.go_on()
    assert load.stop(drain_s=LIMIT_S)
    digest = load.take()
    assert digest.counts["get", Outcome.DROPPED] == 0
    assert digest.counts["get", Outcome.CANCELLED] > 50
