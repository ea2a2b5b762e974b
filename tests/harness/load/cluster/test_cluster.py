"""One load from several real processes, and what becomes of it when one of them does not do its part."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import LocalCluster

from harness.errors import NotReady
from harness.load.clients.clients import Addresses
from harness.load.cluster import cluster
from harness.load.cluster.cluster import ClusterLoad
from harness.load.digest.digest import Digest
from harness.load.operations.declared import HttpOperation
from harness.load.plan import LoadPlan
from harness.load.schedule.arrivals import constant
from harness.load.schedule.mix import Mix
from harness.load.settings import LoadSettings
from harness.records import Outcome
from harness.root import ROOT
from harness.tables import validate
from harness.wait import wait_until
from tests.harness.servers import Server, serving

pytestmark = pytest.mark.thorough

LIMIT_S = 60.0
RATE_PER_S = 100.0
HOME = {"home": validate(HttpOperation, {"path": "/{number}", "key": "{number}"})}

BROKEN = """
from harness.load import Operations

operations = Operations()


@operations.register("broken")
async def broken(clients, call):
    raise KeyError("a bug of the user's")
"""


def plan(url: str, *, for_s: float = 600.0, **changes: Any) -> LoadPlan:
    settings = LoadSettings(RATE_PER_S, **{"mix": Mix({"home": 1}), "declared": HOME, **changes})
    return LoadPlan(settings, (constant(RATE_PER_S, for_s),), Addresses(api=url), "run-1", 7331)


def make(load: LoadPlan, *, workers: int = 2, scheduler: str = "") -> ClusterLoad:
    return ClusterLoad(
        load, epoch_s=time.perf_counter(), workers=workers, tick_s=0.1, drain_s=10.0, scheduler=scheduler
    )


def workers_of(pid: int) -> list[psutil.Process]:
    return [p for p in psutil.Process(pid).children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def until_requests(server: Server, count: int) -> None:
    def seen() -> str | None:
        return None if len(server.requests) >= count else f"{len(server.requests)}"

    wait_until(f"{count} requests", seen, limit_s=LIMIT_S)


def until_failed(load: ClusterLoad) -> str:
    wait_until("the failure", lambda: None if load.failure else "none", limit_s=LIMIT_S)
    return str(load.failure)


def until_gone(processes: list[psutil.Process]) -> None:
    def left() -> str | None:
        alive = [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
        return f"{alive}" if alive else None

    wait_until("no worker left", left, limit_s=LIMIT_S)


def test_two_workers_play_one_plan_each_arrival_once(server: Server) -> None:
    load = make(plan(server.url, for_s=3.0))
    load.start()
    spawned = workers_of(os.getpid())
    assert len(spawned) == 2
    assert len(load.clocks) == 2
    assert all(abs(clock.offset_s) <= 0.05 and 0 < clock.uncertain_s < 1 for clock in load.clocks)
    until_requests(server, 300)
    taken = load.take()
    assert load.stop(drain_s=10.0)
    taken = Digest.sum([taken, load.take()])
    assert load.failure is None
    assert taken.counts == {("home", Outcome.OK): 300}
    assert taken.offered == load.offered == 300
    assert sorted(int(s.key) for s in taken.samples) == list(range(300))
    # By the one clock of all: every arrival was due where the plan has it.
    dues = sorted((int(s.key), s.intended_s) for s in taken.samples)
    begun_s = dues[0][1]
    assert [due_s - begun_s for _, due_s in dues] == pytest.approx([n / RATE_PER_S for n in range(300)], abs=0.1)
    assert set(taken.health) == {"generator", "worker.0", "worker.1"}
    until_gone(spawned)


def test_a_worker_that_dies_fails_the_load_and_nothing_is_sent_twice(server: Server) -> None:
    load = make(plan(server.url))
    load.start()
    try:
        until_requests(server, 50)
        victim = workers_of(os.getpid())[0]
        victim.kill()
        told = until_failed(load)
        assert "worker " in told
        assert "gone" in told or "twice" in told
    finally:
        assert not load.stop(drain_s=1.0)
    paths = Counter(path for _, path in server.requests)
    assert max(paths.values()) == 1


@pytest.mark.thorough
def test_a_worker_that_falls_silent_fails_the_load(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_SILENCE_S", 1.0)
    load = make(plan(server.url))
    load.start()
    victim = workers_of(os.getpid())[0]
    try:
        until_requests(server, 50)
        victim.suspend()
        assert "has not reported for" in until_failed(load)
    finally:
        assert not load.stop(drain_s=1.0)
    until_gone([victim])


@pytest.mark.thorough
def test_an_operation_that_raises_fails_the_load_in_the_user_s_words(server: Server, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(BROKEN)
    load = make(plan(server.url, mix=Mix({"broken": 1}), declared={}, module=str(tmp_path / "own.py")))
    load.start()
    try:
        assert "a bug of the user's" in until_failed(load)
    finally:
        load.stop(drain_s=1.0)


@pytest.mark.thorough
def test_a_cluster_of_the_user_s_own_is_used_and_left_alone(server: Server) -> None:
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as own:
        load = make(plan(server.url, for_s=1.0), scheduler=own.scheduler_address)
        load.start()
        until_requests(server, 100)
        assert load.stop(drain_s=10.0)
        assert load.take().counts == {("home", Outcome.OK): 100}
        assert len(own.scheduler_info["workers"]) == 2

        # Its scheduler runs a job again whose worker died, as is its default: the load must notice.
        again = make(plan(server.url), scheduler=own.scheduler_address)
        again.start()
        until_requests(server, 150)
        workers_of(os.getpid())[0].kill()
        assert "worker " in until_failed(again)
        assert not again.stop(drain_s=1.0)


def test_a_scheduler_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_RPC_LIMIT_S", 0.5)
    load = make(plan("http://127.0.0.1:9"), scheduler="tcp://127.0.0.1:9")
    with pytest.raises(NotReady, match=r"2 workers at tcp://127\.0\.0\.1:9 not ready"):
        load.start()
    assert load.stop(drain_s=0.0)


def test_stopping_before_the_start_is_harmless() -> None:
    assert make(plan("http://127.0.0.1:9")).stop(drain_s=0.0)


# Workers are processes of their own: what is to be otherwise there must be said there.
SOON_NOBODY = "import harness.load.cluster.worker\nharness.load.cluster.worker._NOBODY_S = 1.0\n"

CHILD = """
import signal, sys
from tests.harness.load.cluster.test_cluster import make, plan
if __name__ == "__main__":
    load = make(plan(sys.argv[1]), scheduler=sys.argv[2])
    load.start()
    print("started", flush=True)
    signal.pause()
"""


def test_a_runner_that_is_killed_leaves_no_worker(server: Server, tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, script, server.url, ""], stdout=subprocess.PIPE, env=environment) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"started\n"
        until_requests(server, 20)
        spawned = psutil.Process(child.pid).children(recursive=True)
        assert len(spawned) >= 2
        child.send_signal(signal.SIGKILL)
    until_gone(spawned)


@pytest.mark.thorough
def test_a_runner_that_is_killed_ends_its_load_on_a_cluster_that_is_not_its_own(server: Server, tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", preload=[SOON_NOBODY]
    ) as own:
        command = [sys.executable, script, server.url, own.scheduler_address]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"started\n"
            until_requests(server, 20)
            child.send_signal(signal.SIGKILL)
        seen = [-1]

        def still() -> str | None:
            seen.append(len(server.requests))
            return None if len(seen) > 20 and len({*seen[-20:]}) == 1 else f"{seen[-1]} requests"

        # Twenty looks without one more request; a plan at its rate has one every hundredth of a second.
        wait_until("the end of the load", still, limit_s=LIMIT_S)
