"""Slots of real stores, taken, proved by the server's own refusal, and given back by the ledger's step."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import redis

from chaos.faults.stores.connections import ExhaustConnectionsFault
from chaos.healing.actions import ACTIONS
from chaos.observed import State
from chaos.targets import Store, Targets
from chaos.undo import undo
from harness.errors import InjectionFailed, Unsupported
from harness.probes.health import ask_postgres
from harness.wait import wait_until
from infra.ports import free_ports


@pytest.fixture
def small_redis(redis_port: int) -> Iterator[None]:
    """Have the session's Redis take few clients."""
    with redis.Redis(port=redis_port) as client:
        client.config_set("maxclients", 60)
        yield
        client.config_set("maxclients", 10_000)


@pytest.fixture
def targets(postgres_dsn: str, redis_port: int, small_redis: None) -> Targets:
    del small_redis
    url = f"redis://127.0.0.1:{redis_port}/0"
    return Targets(stores={"postgres": Store("postgres", postgres_dsn), "redis": Store("redis", url)})


@pytest.mark.parametrize("leave", [0, 3])
@pytest.mark.parametrize(("target", "words"), [("postgres", "too many clients"), ("redis", "max number of clients")])
def test_slots_are_taken_proved_and_given_back(targets: Targets, target: str, words: str, leave: int) -> None:
    aimed = ExhaustConnectionsFault(target, leave).aim(targets, "f1_exhaust_connections")
    before = aimed.observe()
    assert before.state is State.ANSWERED
    steps = aimed.undo()
    assert "only-the-tests" not in json.dumps([dict(step.args) for step in steps])
    try:
        aimed.inject()
        # What was given back is free once the server has noticed.
        wait_until("the refusal", lambda: aimed.missing(before, aimed.observe()), limit_s=5.0)
        now = aimed.observe()
        assert now.state is State.REFUSED
        assert words in now.detail
        assert aimed.remaining(before, now)
    finally:
        undo(steps, ACTIONS)
    wait_until("the answer", lambda: aimed.remaining(before, aimed.observe()), limit_s=5.0)
    undo(steps, ACTIONS)


def test_some_are_left_for_others(targets: Targets, postgres_dsn: str) -> None:
    aimed = ExhaustConnectionsFault("postgres", leave=2).aim(targets, "f1")
    try:
        aimed.inject()
        wait_until("one of those left", lambda: None if ask_postgres(postgres_dsn, "SELECT 1") else "", limit_s=5.0)
    finally:
        undo(aimed.undo(), ACTIONS)


def test_a_server_that_never_refuses_fails_the_injection_and_what_was_taken_is_given_back(targets: Targets) -> None:
    aimed = ExhaustConnectionsFault("redis", most=5).aim(targets, "f1")
    before = aimed.observe()
    with pytest.raises(InjectionFailed, match="redis: took 5 connections and refused none"):
        aimed.inject()
    assert "but a new connection was answered" in str(aimed.missing(before, aimed.observe()))
    (step,) = aimed.undo()
    assert ACTIONS[step.action].remaining(step.args)
    undo([step], ACTIONS)


def test_a_server_that_was_full_or_away_proves_nothing(targets: Targets) -> None:
    first, second = (ExhaustConnectionsFault("redis").aim(targets, name) for name in ("f1", "f2"))
    try:
        first.inject()
        assert "there were no 1 free slots before the fault: refused" in str(
            second.missing(second.observe(), first.observe())
        )
    finally:
        undo(first.undo(), ACTIONS)
    (port,) = free_ports(1)
    gone = Targets(stores={"postgres": Store("postgres", f"postgresql://me:s3cret@127.0.0.1:{port}/x")})
    aimed = ExhaustConnectionsFault("postgres").aim(gone, "f1")
    sight = aimed.observe()
    assert sight.state is State.GONE
    with pytest.raises(InjectionFailed, match="postgres: after 0 connections") as caught:
        aimed.inject()
    assert "s3cret" not in f"{caught.value}{sight}"
    undo(aimed.undo(), ACTIONS)


def test_only_stores_have_slots_and_numbers_have_bounds() -> None:
    with pytest.raises(Unsupported, match="exhaust_connections on api: no such store here"):
        ExhaustConnectionsFault("api").aim(Targets(), "f1")
    for leave, most, told in [
        (-1, 10, "leave = -1"),
        (101, 1000, "leave = 101"),
        (5, 5, "most = 5"),
        (0, 10**6, "most"),
    ]:
        with pytest.raises(ValueError, match=told):
            ExhaustConnectionsFault("redis", leave, most)


def test_a_fault_tells_two_of_its_kind_apart(targets: Targets) -> None:
    fault = ExhaustConnectionsFault("redis")
    assert fault.aim(targets, "f1").undo() != fault.aim(targets, "f1").undo()
