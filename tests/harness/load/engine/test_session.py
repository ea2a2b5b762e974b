"""Sessions on a real engine: users who think, and what a session records itself."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from harness.errors import LoadError
from harness.load.call import Call
from harness.load.clients.http import HttpClient
from harness.load.digest.digest import Digest
from harness.load.engine.engine import SESSION_NUMBERS
from harness.load.engine.session import Desk
from harness.load.engine.users import Users
from harness.load.schedule.mix import Mix
from harness.records import Outcome
from harness.wait import wait_until
from tests.harness.load.engines import LIMIT_S, engine, get, samples_of, until_over
from tests.harness.servers import Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def test_users_wait_for_their_answers_and_are_told_apart(server: Server) -> None:
    users_seen: list[int] = []

    async def seen(client: HttpClient, call: Call) -> Outcome:
        users_seen.append(call.user)
        return await get(client, call)

    users = Users(count=7, mix=Mix({"get": 1}), think_s=0.01, first=("first",))
    load = engine(
        server, arrivals=iter(()), operations={"get": get, "first": seen},
        sessions=list(users.sessions(7331, shard=0, of=1)),
    )  # fmt: skip
    load.start()
    wait_until("requests", lambda: None if len(server.requests) > 100 else "few", limit_s=LIMIT_S)
    server.stall()
    wait_until("all to wait", lambda: None if load.in_flight == 7 else f"{load.in_flight}", limit_s=LIMIT_S)
    waiting = len(server.requests)
    server.go_on()
    wait_until("more requests", lambda: None if len(server.requests) > waiting + 20 else "few", limit_s=LIMIT_S)
    assert load.stop(drain_s=LIMIT_S)
    digest = load.take()
    assert load.failure is None
    assert load.offered == 0, "what users do is no arrival"
    assert sorted(users_seen) == list(range(7))
    assert digest.counts["first", Outcome.OK] == 7
    numbers = [int(s.key) for s in digest.samples]
    assert len(set(numbers)) == len(numbers) == digest.counts.total()
    assert min(numbers) >= SESSION_NUMBERS
    assert all(s.intended_s <= s.sent_s for s in digest.samples)


def test_a_user_whose_call_timed_out_goes_on(server: Server) -> None:
    server.stall()
    users = Users(count=2, mix=Mix({"get": 1}), think_s=0.0)
    load = engine(server, arrivals=iter(()), deadline_s=0.1, sessions=list(users.sessions(1, shard=0, of=1)))
    load.start()
    seen = Digest()

    def twice() -> str | None:
        nonlocal seen
        seen = Digest.sum([seen, load.take()])
        return None if seen.counts["get", Outcome.TIMED_OUT] >= 6 else "few"

    wait_until("time-outs", twice, limit_s=LIMIT_S)
    server.go_on()
    assert load.stop(drain_s=LIMIT_S)
    assert load.failure is None


def test_a_pause_is_cut_short_when_the_load_ends_and_says_so(server: Server) -> None:
    paused, said = threading.Event(), list[bool]()

    async def session(desk: Desk[HttpClient]) -> None:
        paused.set()
        said.append(await desk.pause(LIMIT_S * 10))

    load = engine(server, arrivals=iter(()), sessions=[(0.0, session)])
    load.start()
    assert paused.wait(LIMIT_S)
    assert load.stop(drain_s=LIMIT_S)
    assert said == [False]


def test_a_session_that_fails_is_a_failure_of_the_load(server: Server) -> None:
    async def broken(_desk: Desk[HttpClient]) -> None:
        raise ZeroDivisionError

    load = engine(server, sessions=[(0.0, broken)])
    load.start()
    # At once, and not when the arrivals are over, which may be days later.
    wait_until("the failure", lambda: None if load.failure else "none", limit_s=LIMIT_S)
    assert isinstance(load.failure, ZeroDivisionError)
    assert load.stop(drain_s=LIMIT_S)


def test_a_session_that_somebody_cancelled_is_a_failure_of_the_load(server: Server) -> None:
    async def cancelled(_desk: Desk[HttpClient]) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.get_running_loop().create_future()

    load = engine(server, arrivals=iter(()), sessions=[(0.0, cancelled)])
    load.start()
    until_over(load)
    assert isinstance(load.failure, LoadError)


def test_users_who_never_think_let_others_in(server: Server) -> None:
    async def nothing(_client: HttpClient, _call: Call) -> Outcome:
        return Outcome.OK

    users = Users(count=3, mix=Mix({"nothing": 1}), think_s=0.0)
    load = engine(server, operations={"nothing": nothing, "get": get}, sessions=list(users.sessions(1, shard=0, of=1)))
    load.start()
    wait_until("arrivals", lambda: None if load.offered > 20 else f"{load.offered}", limit_s=LIMIT_S)
    assert load.stop(drain_s=LIMIT_S)


def test_how_late_a_user_is_counts_from_the_end_of_their_thinking(server: Server) -> None:
    users = Users(count=1, mix=Mix({"get": 1}), think_s=0.02)
    load = engine(server, arrivals=iter(()), sessions=list(users.sessions(1, shard=0, of=1)))
    load.start()
    wait_until("requests", lambda: None if len(server.requests) > 10 else "few", limit_s=LIMIT_S)
    assert load.stop(drain_s=LIMIT_S)
    samples = samples_of(load)
    assert all(s.intended_s <= s.sent_s for s in samples)
    assert max(s.lag_s for s in samples) > 0


def test_a_session_records_what_it_did_itself(server: Server) -> None:
    async def own(desk: Desk[HttpClient]) -> None:
        call = desk.begin("own", user=3)
        call.key = "k"
        assert await desk.pause(0.05)
        desk.end(call, Outcome.OK)

    load = engine(server, arrivals=iter(()), sessions=[(0.0, own)])
    load.start()
    until_over(load)
    (sample,) = samples_of(load)
    assert (sample.operation, sample.outcome, sample.lag_s) == ("own", Outcome.OK, 0.0)
    # uvloop's timers may end a little early.
    assert sample.service_s >= 0.04


def test_a_pause_ends_when_the_load_does(server: Server) -> None:
    told: list[bool] = []
    begun = threading.Event()

    async def patient(desk: Desk[HttpClient]) -> None:
        begun.set()
        told.append(await desk.pause(3600.0))

    load = engine(server, arrivals=iter(()), sessions=[(0.0, patient), (3600.0, patient)])
    load.start()
    assert begun.wait(LIMIT_S)
    assert load.stop(drain_s=LIMIT_S)
    assert told == [False], "one was told, and the other never began"
