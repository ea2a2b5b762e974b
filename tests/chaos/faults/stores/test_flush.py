"""A flush of a real Redis: what goes, what stays, and what counts as seen."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from chaos.faults.stores.flush import FlushCacheFault
from chaos.guards.claim import Claim
from chaos.guards.claim_redis import RedisStore
from chaos.observed import Observed, State
from chaos.targets import Store, Targets
from harness.errors import InjectionFailed, Unsupported
from infra.ports import free_ports

DATABASE, OTHER = 7, 8


@pytest.fixture
def client(redis_port: int) -> Iterator[redis.Redis]:
    with redis.Redis(port=redis_port, db=DATABASE) as found:
        yield found
        found.flushdb()


@pytest.fixture
def targets(redis_port: int) -> Targets:
    return Targets(stores={"redis": Store("redis", f"redis://127.0.0.1:{redis_port}/{DATABASE}")})


def test_all_of_the_database_goes_and_nothing_else(client: redis.Redis, targets: Targets, redis_port: int) -> None:
    with redis.Redis(port=redis_port, db=OTHER) as other:
        other.set("somebody's", "own")
        client.mset({f"key{n}": n for n in range(100)})
        aimed = FlushCacheFault("redis").aim(targets, "f1")
        assert list(aimed.undo()) == []
        before = aimed.observe()
        assert (before.state, before.amount) == (State.THERE, 100)
        aimed.inject()
        now = aimed.observe()
        assert (now.state, now.amount, now.detail) == (State.GONE, 0, "0 of 100 keys left")
        assert aimed.missing(before, now) is None
        assert aimed.remaining(before, now) is None
        assert client.dbsize() == 0
        assert other.getdel("somebody's") == b"own"


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.99])
def test_a_share_of_the_keys_goes(client: redis.Redis, targets: Targets, fraction: float) -> None:
    client.mset({b"\xff%d" % n: n for n in range(1500)})
    aimed = FlushCacheFault("redis", fraction).aim(targets, "f1")
    before = aimed.observe()
    aimed.inject()
    assert aimed.missing(before, aimed.observe()) is None
    assert client.dbsize() == 1500 - round(fraction * 1500)


def test_the_runs_claim_stays(client: redis.Redis, targets: Targets, redis_port: int) -> None:
    store, claim = RedisStore(f"redis://127.0.0.1:{redis_port}/{DATABASE}"), Claim("n1", "run-1", "1@2@here", 60.0)
    for fraction in (1.0, 0.999):
        store.lay(claim, lambda _: True)
        client.mset({f"key{n}": n for n in range(10)})
        aimed = FlushCacheFault("redis", fraction).aim(targets, "f1")
        before = aimed.observe()
        assert before.amount == 10
        aimed.inject()
        assert aimed.missing(before, aimed.observe()) is None
        found = store.read()
        assert found
        assert (found.nonce, found.run_id) == ("n1", "run-1")
        assert 0 < found.left_s <= 60


def test_a_cache_that_is_full_again_at_once_was_flushed_all_the_same(
    client: redis.Redis, targets: Targets, redis_port: int
) -> None:
    client.mset({f"key{n}": n for n in range(10)})
    ending = threading.Event()

    def fill(connection: redis.Redis) -> None:
        while not ending.is_set():
            connection.mset({f"key{n}": n for n in range(10)})

    with redis.Redis(port=redis_port, db=DATABASE) as busy:
        thread = threading.Thread(target=fill, args=(busy,))
        thread.start()
        try:
            aimed = FlushCacheFault("redis").aim(targets, "f1")
            before = aimed.observe()
            aimed.inject()
            assert aimed.missing(before, aimed.observe()) is None
        finally:
            ending.set()
            thread.join()


def test_an_empty_cache_proves_nothing(client: redis.Redis, targets: Targets) -> None:
    assert client.dbsize() == 0
    aimed = FlushCacheFault("redis").aim(targets, "f1")
    before = aimed.observe()
    aimed.inject()
    assert aimed.missing(before, aimed.observe()) == "there was no key to delete"


@given(st.integers(1, 1000), st.integers(0, 1000), st.floats(0.001, 1))
def test_most_of_what_was_to_go_must_have_gone(had: int, left: int, fraction: float) -> None:
    targets = Targets(stores={"redis": Store("redis", "redis://127.0.0.1:1/0")})
    aimed = FlushCacheFault("redis", fraction).aim(targets, "f1")
    doubt = aimed.missing(Observed(State.THERE, amount=had), Observed(State.THERE, amount=left))
    assert (doubt is None) == (had - left >= 0.8 * fraction * had)


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.0001, math.nan, math.inf])
def test_a_share_is_one(fraction: float) -> None:
    with pytest.raises(ValueError, match="fraction = "):
        FlushCacheFault("redis", fraction)


def test_only_a_redis_is_flushed() -> None:
    targets = Targets(stores={"postgres": Store("postgres", "postgresql://127.0.0.1:1/x")})
    for target in ("postgres", "redis"):
        with pytest.raises(Unsupported, match=f"flush_cache on {target}"):
            FlushCacheFault(target).aim(targets, "f1")


def test_a_redis_that_is_away_is_said_to_be_without_its_password() -> None:
    (port,) = free_ports(1)
    targets = Targets(stores={"redis": Store("redis", f"redis://:s3cret@127.0.0.1:{port}/0")})
    aimed = FlushCacheFault("redis").aim(targets, "f1")
    for call in (aimed.inject, aimed.observe):
        with pytest.raises(InjectionFailed, match="redis") as caught:
            call()
        assert "s3cret" not in str(caught.value)
