"""The kill matrix on processes: a runner is killed after each step of each fault's ledger, and the stack is whole."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.faults.services.processes import stopped_in
from chaos.healing.heal import clear
from chaos.healing.ledger import FILE_NAME, read_ledger
from harness.wait import wait_until
from infra.local.leftovers import read_record
from infra.local.stack import LocalStack
from infra.stack import StackPlan
from tests.chaos.borrowed import RUN
from tests.chaos.child import LIMIT_S, Child, lives
from tests.chaos.matrix import (
    CLEAN_S,
    EVERYWHERE,
    WHOLE_MATRIX,
    Stage,
    by_hand,
    cells,
    disk,
    skip_unless_possible,
    write_table,
)

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="it is tested by POSIX signals"),
    # The tables of the whole machine are looked at.
    pytest.mark.apart("chaos/faults/packets"),
]


class LocalStage(Stage):
    """A stack of processes."""

    def halted(self) -> list[str]:
        assert isinstance(self.stack, LocalStack)
        found = []
        for mark in self.stack._running().marks().values():
            process = mark.process.find()
            if process is None or stopped_in(process):
                found.append(f"{mark.service} is {'stopped' if process else 'gone'}")
        return found


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with disk() as small:
        stack = LocalStack(StackPlan(RUN, tmp_path_factory.mktemp("stack")))
        stack.up()
        stage = LocalStage(stack, tmp_path_factory.mktemp("runs"), small)
        yield stage
        stack.down()
        write_table(stage.rows)


@pytest.mark.parametrize(("kind", "step"), cells(EVERYWHERE))
def test_a_stack_of_processes_is_whole_whenever_its_runner_is_killed(local: Stage, kind: str, step: str) -> None:
    skip_unless_possible(local, kind)
    local.kill(kind, EVERYWHERE[kind], step)


def test_a_stack_of_processes_is_whole_when_its_runner_is_killed_amid_many_faults(local: Stage) -> None:
    skip_unless_possible(local, "partition")
    local.kill_amid_all()


@pytest.mark.parametrize("kind", by_hand(EVERYWHERE))
def test_what_nobody_guarded_is_seen_and_put_back_by_hand(local: Stage, kind: str) -> None:
    skip_unless_possible(local, kind)
    local.heal_by_hand(kind, EVERYWHERE[kind])


def test_after_all_these_deaths_the_next_run_plays_to_its_end(local: Stage) -> None:
    local.play_to_the_end()


# A stack of the runner's own dies with it: what matters then is that nobody is left, and nothing open.
OWN = [
    [0.0, 0.3, "kill", {"target": "auth"}],
    [0.01, 0.3, "terminate", {"target": "redis", "grace_s": 2.0}],
    [0.02, 0.3, "pause", {"target": "postgres"}],
    [0.03, 0.3, "latency", {"target": "client_api", "rtt_s": 0.2}],
    [0.04, 0.3, "restart", {"target": "api", "grace_s": 4.0}],
]
WRITES = 1 + 3 * len(OWN)


@pytest.mark.parametrize("number", range(2, WRITES + 1) if WHOLE_MATRIX else (11,))
def test_a_stack_of_the_runners_own_dies_with_it_and_leaves_nothing_open(tmp_path: Path, number: int) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    child = Child({"folder": str(folder), "stack": None, "schedule": OWN, "death": {"after_write": number}})

    def unclean() -> str | None:
        record = read_record(folder)
        assert record is not None
        left = [f"{living.mark.service} lives" for living in record.living]
        left += [each for each in record.folders if Path(each).exists()]
        return lives(guardian) or "; ".join([*left, *map(str, read_ledger(folder / FILE_NAME).open)]) or None

    try:
        died_s, guardian = child.event("dies")["unix_s"], child.event("guarded")["pid"]
        assert child.popen.wait(LIMIT_S) == -signal.SIGKILL
        wait_until("clean", unclean, limit_s=CLEAN_S, poll_s=0.02)
    finally:
        child.end()
    last = child.events("wrote")[-1]
    write_table([f"own      {last['name']:<22} {last['record']:<9} {time.time() - died_s:6.2f} s"])
    assert clear(tmp_path) == []


@pytest.mark.skipif(not WHOLE_MATRIX, reason="with HW_KILL_MATRIX=all: it takes 10 s")
def test_a_run_with_a_stack_of_its_own_plays_to_its_end(tmp_path: Path) -> None:
    child = Child({"folder": str(tmp_path), "stack": None, "schedule": OWN})
    try:
        assert child.event("ended")["put_back"] == []
        assert child.event("played")["doubts"] == []
        assert child.popen.wait(LIMIT_S) == 0
        assert len(child.events("wrote")) == WRITES
    finally:
        child.end()
