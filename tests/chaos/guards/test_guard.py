"""The guard over real stores behind real proxies: what is ours goes through, what is not is refused, in a few ms."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from chaos.faults.links.toxiproxy import Proxy
from chaos.guards.claim import Claim
from chaos.guards.claim_postgres import PostgresStore
from chaos.guards.claim_redis import KEY, RedisStore
from chaos.guards.guard import Guard, GuardedStore
from chaos.guards.runner import machine
from harness.clock import ManualClock
from harness.errors import Refused
from harness.probes.health import redis_health
from harness.wait import wait_until
from infra.local.redis_server import find_redis, redis_program
from infra.named import through
from infra.ports import free_ports
from infra.processes import Child, end, start
from infra.stack import Endpoint
from tests.chaos.conftest import StartToxiproxy


@dataclass
class Stage:
    """A PostgreSQL and a Redis, each behind a proxy of one server."""

    dsn: str
    redis_port: int
    folder: Path
    api: int
    doors: dict[str, int]
    redis: Child

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.redis_port}/0"

    def door(self, hop: str) -> Endpoint:
        return Endpoint("127.0.0.1", self.doors[hop])

    def guard(self, run_id: str = "run-1", **more: object) -> Guard:
        doors = [
            GuardedStore.postgres(self.dsn, proxied=through(self.dsn, self.door("api_postgres"))),
            GuardedStore.redis(self.url, proxied=through(self.url, self.door("api_redis"))),
        ]
        return Guard(run_id, doors, **more)  # type: ignore[arg-type] # what a test says of it

    def start_redis(self) -> None:
        program = redis_program(find_redis(), port=self.redis_port, folder=self.folder)
        self.redis = start(program, self.folder)
        wait_until("redis", lambda: self.redis.trouble() or redis_health("127.0.0.1", self.redis_port), limit_s=10)

    def end_redis(self) -> None:
        end([self.redis.living])
        self.redis.popen.wait()


@pytest.fixture(scope="module")
def stage(
    postgres_dsn: str, start_toxiproxy: StartToxiproxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    redis_port, *ports = free_ports(5)
    hops = dict(zip(("api_postgres", "api_redis", "astray_postgres", "astray_redis"), ports, strict=True))
    postgres = postgres_dsn.rpartition("@")[2].partition("/")[0]
    ways = {"api_postgres": postgres, "api_redis": f"127.0.0.1:{redis_port}"}
    proxies = [
        {"name": hop, "listen": f"127.0.0.1:{hops[hop]}", "upstream": upstream, "enabled": True}
        for hop, upstream in ways.items()
    ]
    with start_toxiproxy(json.dumps(proxies)) as server:
        made = Stage(postgres_dsn, redis_port, tmp_path_factory.mktemp("redis"), server.port, hops, None)  # type: ignore[arg-type] # in a moment
        made.start_redis()
        try:
            yield made
        finally:
            made.end_redis()


@pytest.fixture
def guard(stage: Stage) -> Iterator[Guard]:
    found = stage.guard()
    found.claim()
    yield found
    assert found.release() == []
    assert PostgresStore(stage.dsn).read() is RedisStore(stage.url).read() is None


@contextlib.contextmanager
def broken(guard: Guard, target: str, fault: str = "down") -> Iterator[None]:
    guard.note("fault", step="injected", fault=fault, target=target)
    yield
    guard.note("fault", step="healed", fault=fault, target=target)


def test_what_is_claimed_may_be_broken_and_asking_is_quick(guard: Guard) -> None:
    took_s = []
    for _ in range(5):
        began_s = time.perf_counter()
        guard.permit()
        took_s.append(time.perf_counter() - began_s)
    assert min(took_s) < 0.5


def test_two_runs_on_one_stack_are_refused(stage: Stage, guard: Guard) -> None:
    other = stage.guard("run-2")
    with pytest.raises(Refused, match=r"postgres is claimed by run run-1, process \d+ on this machine, which is alive"):
        other.claim()
    guard.permit()


def test_a_refused_claim_lets_go_of_what_it_had(stage: Stage) -> None:
    RedisStore(stage.url).lay(Claim("x", "run-2", "1@2@elsewhere/x", 60.0), lambda _: False)
    try:
        with pytest.raises(Refused, match="redis is claimed by run run-2 on elsewhere, for 60 s"):
            stage.guard().claim()
        assert PostgresStore(stage.dsn).read() is None
    finally:
        RedisStore(stage.url).lift(Claim("x", "", ""))


def test_a_killed_runners_claim_gives_way(stage: Stage) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        pass
    dead = Claim("x", "run-0", f"{child.pid}@{time.time():.2f}@{machine()}", 300.0)
    PostgresStore(stage.dsn).lay(dead, lambda _: False)
    RedisStore(stage.url).lay(dead, lambda _: False)
    guard = stage.guard()
    guard.claim()
    guard.permit()
    assert guard.release() == []


def test_a_claim_of_this_process_that_was_let_go_of_gives_way(stage: Stage) -> None:
    first = stage.guard("run-1")
    first.claim()
    kept = PostgresStore(stage.dsn).read()
    assert kept
    first.release()
    # As if the database had been down at that moment.
    PostgresStore(stage.dsn).lay(kept, lambda _: False)
    second = stage.guard("run-2")
    second.claim()
    second.permit()
    second.release()


@pytest.mark.parametrize("hop", ["api_postgres", "api_redis"])
def test_a_link_that_we_broke_is_gone_around(stage: Stage, guard: Guard, hop: str) -> None:
    proxy = Proxy("127.0.0.1", stage.api, hop)
    with broken(guard, hop):
        proxy.set_enabled(False)
        guard.permit()
        proxy.set_enabled(True)
    guard.permit()


def test_a_link_that_is_down_without_us_is_refused(stage: Stage) -> None:
    clock = ManualClock()
    guard = stage.guard(clock=clock)
    guard.claim()
    proxy = Proxy("127.0.0.1", stage.api, "api_redis")
    proxy.set_enabled(False)
    try:
        with pytest.raises(Refused, match="the owner of redis is unknown"):
            guard.permit()
        assert clock.now_s() >= 5
    finally:
        proxy.set_enabled(True)
        guard.release()


@pytest.mark.parametrize("store", ["postgres", "redis"])
def test_a_proxy_that_leads_elsewhere_is_refused(stage: Stage, store: str) -> None:
    # Another database of the same server is as good as another server: it has no claim, or another's.
    ways: dict[str, Callable[[], GuardedStore]] = {
        "postgres": lambda: GuardedStore.postgres(stage.dsn, proxied=stage.dsn.replace("/postgres", "/template1")),
        "redis": lambda: GuardedStore.redis(stage.url, proxied=stage.url.replace("/0", "/1")),
    }
    guard = Guard("run-1", [ways[store]()])
    guard.claim()
    try:
        with pytest.raises(Refused, match=f"what is behind the proxy of api_{store} holds no claim of this run"):
            guard.permit()
        # A fault of ours excuses nothing here: the store itself has its claim still.
        with broken(guard, store, "kill"):
            pass
        with pytest.raises(Refused, match="holds no claim"):
            guard.permit()
    finally:
        guard.release()


def test_another_runs_claim_in_place_of_ours_is_refused(stage: Stage) -> None:
    guard = stage.guard()
    guard.claim()
    thief = Claim("x", "run-2", "1@2@elsewhere/x", 60.0)
    PostgresStore(stage.dsn).lay(thief, lambda _: True)
    try:
        with pytest.raises(Refused, match="is claimed by run run-2 on elsewhere, for 60 s"):
            guard.permit()
        assert guard.release() == []
        assert PostgresStore(stage.dsn).read(), "another's is not ours to remove"
    finally:
        PostgresStore(stage.dsn).lift(thief)


def test_a_lost_claim_in_postgres_is_never_excused(stage: Stage) -> None:
    guard = stage.guard()
    guard.claim()
    claim = PostgresStore(stage.dsn).read()
    assert claim
    with broken(guard, "postgres", "kill"):
        pass
    PostgresStore(stage.dsn).lift(claim)
    try:
        with pytest.raises(Refused, match="holds no claim of this run"):
            guard.permit()
    finally:
        guard.release()


def test_a_redis_that_forgot_is_claimed_anew_while_it_is_the_same_server(stage: Stage, guard: Guard) -> None:
    with redis.Redis(port=stage.redis_port) as client:
        client.flushall()
    guard.permit()
    assert RedisStore(stage.url).read()


def test_a_redis_that_restarted_is_claimed_anew_only_after_a_fault_of_ours(stage: Stage, guard: Guard) -> None:
    with broken(guard, "redis", "kill"):
        stage.end_redis()
        # Nobody answers in its place either.
        guard.permit()
        stage.start_redis()
    guard.permit()
    assert RedisStore(stage.url).read()
    # Once seen since, it is not excused again.
    stage.end_redis()
    stage.start_redis()
    with pytest.raises(Refused, match="behind the proxy of api_redis holds no claim of this run"):
        guard.permit()


def test_a_store_that_hangs_by_our_hand_holds_nobody_up_for_long(stage: Stage, guard: Guard) -> None:
    with broken(guard, "redis", "pause"):
        stage.redis.living.process.suspend()
        began_s = time.perf_counter()
        guard.permit()
        took_s = time.perf_counter() - began_s
        stage.redis.living.process.resume()
    assert took_s < 2
    guard.permit()


def test_a_claim_is_renewed_while_the_run_goes_on(stage: Stage) -> None:
    guard = stage.guard(lease_s=1.0)
    guard.claim()
    try:
        for _ in range(15):
            threading.Event().wait(0.1)
            found = PostgresStore(stage.dsn).read()
            assert found
            assert found.left_s > 0
        guard.permit()
    finally:
        guard.release()


def test_what_cannot_be_removed_is_told(stage: Stage) -> None:
    guard = stage.guard()
    guard.claim()
    stage.end_redis()
    try:
        (told,) = guard.release()
        assert told.startswith("the claim of run run-1 stays in redis: ")
    finally:
        stage.start_redis()


def test_no_secret_and_no_nonce_is_told(stage: Stage, guard: Guard) -> None:
    claim = PostgresStore(stage.dsn).read()
    assert claim
    with pytest.raises(Refused) as caught:
        stage.guard("run-2").claim()
    told = f"{caught.value}{guard!r}{vars(guard)!r}"
    assert claim.nonce not in told
    assert "only-the-tests" not in told
    with redis.Redis(port=stage.redis_port) as client:
        assert claim.nonce.encode() in bytes(str(client.get(KEY)), "ascii")
