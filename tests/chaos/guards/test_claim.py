"""What both stores promise of a claim: one holder, no way round him but his own end, nothing left when it is lifted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chaos.guards.claim import Claim, ClaimedStore
from chaos.guards.claim_postgres import PostgresStore
from chaos.guards.claim_redis import RedisStore
from harness.errors import NotReady, Refused
from harness.probes.health import redis_health
from infra.local.redis_server import find_redis, redis_program
from infra.ports import free_ports
from tests.stores import running

OURS = Claim("n1", "run-1", "1@2.00@here", 300.0)
THEIRS = Claim("n2", "run-2", "3@4.00@there", 300.0)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    (port,) = free_ports(1)
    folder: Path = tmp_path_factory.mktemp("redis")
    with running(redis_program(find_redis(), port=port, folder=folder), lambda: redis_health("127.0.0.1", port)):
        yield f"redis://127.0.0.1:{port}/3"


@pytest.fixture(params=["postgres", "redis"])
def store(request: pytest.FixtureRequest) -> Iterator[ClaimedStore]:
    """Lend a store without a claim."""
    kinds: dict[str, Callable[[], ClaimedStore]] = {
        "postgres": lambda: PostgresStore(request.getfixturevalue("postgres_dsn")),
        "redis": lambda: RedisStore(request.getfixturevalue("redis_url")),
    }
    found = kinds[request.param]()
    yield found
    for claim in (OURS, THEIRS):
        found.lift(claim)
    assert found.read() is None


def never(held: Claim) -> bool:
    del held
    return False


def without_time(claim: Claim | None) -> Claim | None:
    return claim and dataclasses.replace(claim, left_s=0.0)


def test_a_claim_is_read_as_it_was_laid_and_lasts_as_long(store: ClaimedStore) -> None:
    assert store.read() is None
    assert store.lay(OURS, never) is None
    found = store.read()
    assert without_time(found) == without_time(OURS)
    assert found
    assert 290 < found.left_s <= 300


def test_a_claim_keeps_others_out(store: ClaimedStore) -> None:
    store.lay(OURS, never)
    held = store.lay(THEIRS, never)
    assert without_time(held) == without_time(OURS)
    assert without_time(store.read()) == without_time(OURS)
    assert store.lay(OURS, never) is None, "one's own is in nobody's way"


def test_a_claim_gives_way_when_its_holder_is_said_to_be_gone(store: ClaimedStore) -> None:
    store.lay(OURS, never)
    assert store.lay(THEIRS, lambda held: without_time(held) == without_time(OURS)) is None
    assert without_time(store.read()) == without_time(THEIRS)


def test_only_ones_own_claim_is_renewed_or_lifted(store: ClaimedStore) -> None:
    store.renew(OURS)
    store.lift(OURS)
    store.lay(dataclasses.replace(OURS, left_s=10.0), never)
    store.renew(THEIRS)
    store.lift(THEIRS)
    found = store.read()
    assert found
    assert found.left_s <= 10
    store.renew(OURS)
    found = store.read()
    assert found
    assert found.left_s > 290
    store.lift(OURS)
    assert store.read() is None
    store.lift(OURS)


def test_of_many_at_once_one_gets_it(store: ClaimedStore) -> None:
    claims = [dataclasses.replace(OURS, nonce=f"n{number}") for number in range(8)]
    with ThreadPoolExecutor(len(claims)) as pool:
        held = list(pool.map(lambda claim: store.lay(claim, never), claims))
    (winner,) = [claim for claim, other in zip(claims, held, strict=True) if other is None]
    assert without_time(store.read()) == without_time(winner)
    assert {other.nonce for other in held if other} == {winner.nonce}
    store.lift(winner)


def test_a_nonce_is_never_shown() -> None:
    assert "n1" not in repr(OURS)


@pytest.mark.parametrize("kind", [PostgresStore, RedisStore])
def test_a_store_that_does_not_answer_is_not_ready(kind: Callable[..., ClaimedStore]) -> None:
    (port,) = free_ports(1)
    scheme = "postgresql" if kind is PostgresStore else "redis"
    store = kind(f"{scheme}://me:s3cret@127.0.0.1:{port}/0", limit_s=0.5)
    for call in (store.read, lambda: store.lay(OURS, never), lambda: store.lift(OURS)):
        with pytest.raises(NotReady) as caught:
            call()
        assert "s3cret" not in str(caught.value)


def test_a_store_that_does_not_know_us_is_no_store_of_ours(postgres_dsn: str, redis_url: str) -> None:
    for store in (PostgresStore(postgres_dsn.replace(":only-the-tests@", ":gu3ss@")), RedisStore(redis_url + "?db=99")):
        with pytest.raises(Refused, match="answers as none of this run would") as caught:
            store.read()
        assert "gu3ss" not in str(caught.value)
