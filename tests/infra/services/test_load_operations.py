"""The load's operations on the real services: each is answered as it should be, and a bug planted there is seen."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from itertools import count

import pytest
import redis

from harness.history.final_read import read_ledger
from harness.history.history import History
from harness.load.call import Call
from harness.load.clients.clients import API, AUTH, POSTGRES, REDIS, Addresses, open_clients
from harness.load.clients.preparation import log_in
from harness.load.digest.digest import Digest
from harness.load.engine.engine import Engine
from harness.load.engine.users import Users
from harness.load.operations.reference import CACHE_KEYS, operations
from harness.load.plan import LoadPlan
from harness.load.schedule.arrivals import constant
from harness.load.schedule.cancels import Cancels
from harness.load.schedule.mix import Mix
from harness.load.settings import LoadSettings
from harness.load.websocket.sockets import Sockets
from harness.records import Outcome
from harness.verdict import Verdict
from harness.wait import wait_until
from tests.infra.services.rig import LIMIT_S, MakeApi, Program, Service

NEEDS = (API, AUTH, POSTGRES, REDIS)
numbers = count()


@pytest.fixture(scope="session")
def addresses(
    api: Service, auth: Service, postgres: tuple[Program, str], redis_server: tuple[Program, str]
) -> Addresses:
    return Addresses(api=api.url, auth=auth.url, postgres=postgres[1], redis=redis_server[1])


def perform(operation: str, addresses: Addresses, *, times: int = 1, run: str = "run-1") -> list[Call]:
    calls = [Call(operation, next(numbers)) for _ in range(times)]

    async def work() -> None:
        async with asyncio.timeout(LIMIT_S), open_clients(addresses, NEEDS, run=run) as clients:
            for call in calls:
                call.outcome = await operations[operation].operation(clients, call)

    asyncio.run(work())
    return calls


@pytest.mark.parametrize("operation", sorted(operations))
def test_every_operation_is_answered_as_it_should_be(operation: str, addresses: Addresses) -> None:
    calls = perform(operation, addresses, times=2 if operation == "rpc_huge" else 5)
    assert [(call.outcome, call.error) for call in calls] == [(Outcome.OK, "")] * len(calls)
    assert all(call.answer in {"", call.key} for call in calls)


def test_what_was_written_past_the_api_is_read_past_it(addresses: Addresses) -> None:
    run = "run-read"

    async def work() -> list[Call]:
        calls = [
            Call("pg_write", 4),
            Call("pg_read", 8),
            Call("pg_write", 4),
            Call("redis_set", 3),
            Call("redis_get", 21),
        ]
        async with asyncio.timeout(LIMIT_S), open_clients(addresses, NEEDS, run=run) as clients:
            for call in calls:
                call.outcome = await operations[call.operation].operation(clients, call)
        return calls

    written, read, again, _, got = asyncio.run(work())
    assert (written.outcome, written.answer) == (Outcome.OK, "run-read-4")
    assert read.outcome is Outcome.OK
    # A key that is there already is no acknowledged write: nothing says whose it is.
    assert again.outcome is Outcome.WRONG_REPLY
    assert got.outcome is Outcome.OK


@pytest.mark.parametrize("version", ["", "x", "-1", "9" * 5000, "\u0663"])
def test_a_value_that_says_no_version_is_an_answer_without_one(
    addresses: Addresses, redis_server: tuple[Program, str], version: str
) -> None:
    with redis.Redis.from_url(redis_server[1]) as client:
        for n in range(CACHE_KEYS):
            client.set(f"load:{n}", f"load:{n} run-1 {version}")
    (call,) = perform("redis_get", addresses)
    assert (call.outcome, call.answer == call.key, call.read, call.writer) == (Outcome.OK, True, -1, "")


def test_a_foreign_reply_is_seen(make_api: MakeApi, addresses: Addresses) -> None:
    api = make_api(HW_DEFECTS="foreign_reply:3")
    own = Addresses(api=api.url, auth=addresses.auth, postgres=addresses.postgres, redis=addresses.redis)
    for _ in range(70):
        perform("cache_put", own)
    ended = Counter(call.outcome for call in perform("cache_get", own, times=60))
    assert ended[Outcome.WRONG_REPLY] > 5


def test_a_whole_load_of_arrivals_users_and_sockets(addresses: Addresses) -> None:
    """Everything at once on the real services: all of it answered, told apart, and ended when told to."""
    tokens = tuple(one.token for one in log_in(addresses.auth, 10))
    assert len(set(tokens)) == 10
    mix = Mix({"rpc_echo": 6, "rpc_batch": 2, "rpc_stream": 1, "rpc_error": 0.5, "rpc_slow": 0.5, "cache_put": 1})
    settings = LoadSettings(
        100.0, mix, poisson=True, fresh=True,
        users=Users(5, Mix({"cache_get": 1, "pg_write": 1, "redis_set": 1}), 0.05, first=("login",)),
        sockets=Sockets(5, heartbeat_s=0.3, publish_every_s=0.1, rotate_s=0.5),
    )  # fmt: skip
    whole = Addresses(addresses.api, addresses.auth, addresses.postgres, addresses.redis, tokens)
    plan = LoadPlan(settings, (constant(100, 3),), whole, "run-whole", 7331)
    load = Engine(plan.part(), epoch_s=time.perf_counter())
    taken = Digest()
    load.start()

    def all_seen() -> str | None:
        nonlocal taken
        taken = Digest.sum([taken, load.take()])
        seen = {operation for operation, outcome in taken.counts if outcome is Outcome.OK}
        sockets = {f"ws_{step}" for step in ("connect", "subscribe", "ping", "publish", "delivery", "rotation")}
        missing = (settings.used() | sockets) - seen
        return f"not yet: {sorted(missing)}" if missing else None

    wait_until("every operation", all_seen, limit_s=LIMIT_S)
    assert load.stop(drain_s=LIMIT_S)
    taken = Digest.sum([taken, load.take()])
    assert load.failure is None
    assert {outcome for _, outcome in taken.counts} == {Outcome.OK}, taken.errors
    assert any(tag.kind == "connect" and tag.operation == "rpc_echo" for tag in taken.times)


def test_calls_given_up_in_flight_leave_nothing_wrong_behind(addresses: Addresses) -> None:
    """Over HTTP, PostgreSQL's protocol and Redis', a third of all calls, while requests are written or awaited."""
    mix = Mix({"rpc_echo": 2, "rpc_slow": 2, "cache_put": 2, "cache_get": 2, "pg_write": 2, "redis_get": 1})
    settings = LoadSettings(200.0, mix, cancels=Cancels(0.33, 0.0, 0.004), users=Users(5, mix, 0.01))
    plan = LoadPlan(settings, (constant(200, 60),), addresses, "run-given-up", 7331)
    load = Engine(plan.part(), epoch_s=time.perf_counter())
    taken = Digest()
    load.start()

    def enough() -> str | None:
        nonlocal taken
        taken = Digest.sum([taken, load.take()])
        given_up = {operation: taken.counts[operation, Outcome.CANCELLED] for operation in ("rpc_slow", "pg_write")}
        return None if min(given_up.values()) >= 20 else f"{given_up}"

    wait_until("calls to be given up", enough, limit_s=LIMIT_S)
    assert load.stop(drain_s=LIMIT_S)
    taken = Digest.sum([taken, load.take()])
    assert load.failure is None
    assert {outcome for _, outcome in taken.counts} == {Outcome.OK, Outcome.CANCELLED}, taken.errors
    assert not taken.errors
    seen = History(taken.samples)
    assert [f.verdict for f in seen.reply_keys.findings()] == [Verdict.PASS]
    assert [f.verdict for f in seen.stale.findings()] == [Verdict.PASS]
    written = read_ledger(addresses.postgres, prefix="run-given-up-")
    assert [f.verdict for f in seen.writes.findings(written)] == [Verdict.PASS]
    # Writes were among what was given up.
    assert len(seen.writes.open) > 0
