"""Whatever becomes of the runner, the guardian makes whole what it broke, and a runner that lives on learns of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chaos.canary.canary import Canary
from chaos.faults.links.down import DownFault
from chaos.faults.links.toxics import Latency
from chaos.faults.links.toxiproxy import ToxiproxyLink
from chaos.healing.actions import ACTIONS
from chaos.healing.guardian import LOG_NAME, Guardian
from chaos.healing.ledger import TAKEN_NAME, Ledger, UndoEntry, read_ledger
from chaos.profile.timeline import At, expand
from chaos.targets import Targets
from chaos.undo import Step
from harness.errors import ChaosError, HealFailed
from harness.root import ROOT
from harness.wait import wait_until
from tests.chaos.child import Child, lives
from tests.chaos.conftest import Toxiproxy
from tests.chaos.doomed import make_conductor
from tests.disks import small_disk

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it is tested by POSIX signals")

LIMIT_S = 20.0
CLEAN_S = 10.0
NEVER = 4e9


@contextlib.contextmanager
def doomed(server: Toxiproxy, folder: Path, **orders: Any) -> Iterator[Child]:
    schedule = [[0, 60, "down", {"target": "redis"}]]
    doors = {"redis": server.doors["redis"]}
    child = Child({"folder": str(folder), "api": server.port, "doors": doors, "schedule": schedule, **orders})
    try:
        yield child
    finally:
        child.end()


def link(server: Toxiproxy) -> ToxiproxyLink:
    return ToxiproxyLink("127.0.0.1", server.port, "redis", Canary("127.0.0.1", server.doors["redis"], "redis"))


def broken(server: Toxiproxy, folder: Path) -> str | None:
    state = link(server).state()
    left = read_ledger(folder / "undo.jsonl").open
    return None if state.whole and not left else f"{state}, {left}"


def toxic(server: Toxiproxy, name: str, *, expires_unix_s: float = NEVER, proxy: str = "redis") -> UndoEntry:
    step = Step("toxic.remove", {"api": f"127.0.0.1:{server.port}", "proxy": proxy, "toxic": name})
    return UndoEntry(name, "latency", proxy, (step,), expires_unix_s)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with contextlib.closing(Ledger(tmp_path)) as made:
        yield made


@pytest.fixture
def guardian(ledger: Ledger) -> Iterator[Guardian]:
    made = Guardian(ledger.path.parent, renew_s=0.2)
    yield made
    made.close()


@pytest.mark.parametrize("by", ["SIGKILL", "group"])
def test_what_a_killed_runner_broke_is_put_back(server: Toxiproxy, tmp_path: Path, by: str) -> None:
    with doomed(server, tmp_path, death={"after_write": 3, "by": by}) as child:
        guardian = child.event("guarded")["pid"]
        assert child.popen.wait(LIMIT_S) == -signal.SIGKILL
        wait_until("whole", lambda: broken(server, tmp_path), limit_s=CLEAN_S)
        wait_until("end of the guardian", lambda: lives(guardian), limit_s=CLEAN_S)
    assert (tmp_path / TAKEN_NAME).exists()
    log = (tmp_path / LOG_NAME).read_text()
    assert "took over at" in log
    assert "put back f1_down (down on redis): proxy.enable(" in log


def test_a_runner_that_hangs_is_taken_for_dead_and_learns_of_it(server: Toxiproxy, tmp_path: Path) -> None:
    with doomed(server, tmp_path, death={"after_write": 3, "by": "SIGSTOP"}, renew_s=0.2) as child:
        child.event("dies")
        wait_until("whole", lambda: None if link(server).state().whole else "broken", limit_s=CLEAN_S)
        # Still open: what the runner was about to break when it was stopped comes only now.
        assert [each.name for each in read_ledger(tmp_path / "undo.jsonl").open] == ["f1_down"]
        link(server).set_enabled(False)
        child.popen.send_signal(signal.SIGCONT)
        assert "took over at" in child.event("stopped")["why"] or "took this runner" in child.event("stopped")["why"]
        child.event("ended")
        assert child.popen.wait(LIMIT_S) == 0
        assert broken(server, tmp_path) is None


def test_one_that_hangs_before_it_breaks_something_breaks_nothing_afterwards(server: Toxiproxy, tmp_path: Path) -> None:
    with doomed(server, tmp_path, death={"after_write": 2, "by": "SIGSTOP"}, renew_s=0.2) as child:
        child.event("dies")
        wait_until("take-over", lambda: None if (tmp_path / TAKEN_NAME).exists() else "not yet", limit_s=CLEAN_S)
        child.popen.send_signal(signal.SIGCONT)
        assert "took this runner for dead" in child.event("stopped")["why"]
        child.event("ended")
        assert child.popen.wait(LIMIT_S) == 0
    assert [each["step"] for each in child.said if each["event"] == "fault"] == []
    assert broken(server, tmp_path) is None


def test_a_stopped_runner_that_is_then_killed_leaves_nothing(server: Toxiproxy, tmp_path: Path) -> None:
    with doomed(server, tmp_path, death={"after_write": 3, "by": "SIGSTOP"}) as child:
        child.event("dies")
        child.popen.kill()
        wait_until("whole", lambda: broken(server, tmp_path), limit_s=CLEAN_S)


FORKED = """
import os, signal, sys
from pathlib import Path
from chaos.faults import DownFault
from chaos.healing import Guardian
from chaos.healing.ledger import *
from chaos.undo import Step
ledger = Ledger(Path(sys.argv[1]))
step = Step("toxic.remove", {"api": sys.argv[2], "proxy": "redis", "toxic": "slow"})
ledger.open(UndoEntry("slow", "latency", "redis", (step,), 4e9))
guardian = Guardian(Path(sys.argv[1]))
holder = os.fork()
if holder == 0:
    os.close(1)
    signal.pause()
print(holder, guardian.pid, flush=True)
signal.pause()
"""


def test_a_fork_that_holds_the_pipe_open_does_not_keep_it_from_healing(server: Toxiproxy, tmp_path: Path) -> None:
    link(server).add("slow", Latency(0.1, "upstream"))
    command = [sys.executable, "-c", FORKED, str(tmp_path), f"127.0.0.1:{server.port}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as runner:
        assert runner.stdout is not None
        holder, guardian = map(int, runner.stdout.readline().split())
        runner.kill()
    try:
        wait_until("whole", lambda: broken(server, tmp_path), limit_s=CLEAN_S)
        wait_until("end of the guardian", lambda: lives(guardian), limit_s=CLEAN_S)
    finally:
        os.kill(holder, signal.SIGKILL)


def test_it_is_deaf_to_what_ends_the_runner(guardian: Guardian) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(guardian.pid, number)
    assert os.getsid(guardian.pid) == guardian.pid
    assert not threading.Event().wait(0.3)
    guardian.check()


def test_in_order_nothing_is_said_and_nothing_taken(
    server: Toxiproxy, ledger: Ledger, guardian: Guardian, tmp_path: Path
) -> None:
    link(server).add("slow", Latency(0.1, "upstream"))
    ledger.open(toxic(server, "slow"))
    ledger.mark("slow", "injected")
    guardian.check()
    link(server).remove("slow")
    ledger.shut("slow")
    assert guardian.close() == []
    assert lives(guardian.pid) is None
    assert not (tmp_path / TAKEN_NAME).exists()
    assert (tmp_path / LOG_NAME).read_text() == ""


def test_what_is_open_when_it_is_closed_is_put_back_and_told(
    server: Toxiproxy, ledger: Ledger, guardian: Guardian, tmp_path: Path
) -> None:
    ledger.open(toxic(server, "slow"))
    link(server).add("slow", Latency(0.1, "upstream"))
    (line,) = guardian.close()
    assert line.startswith("put back slow (latency on redis): toxic.remove(")
    assert broken(server, tmp_path) is None


def test_a_fault_that_outlives_itself_is_undone_alone(
    server: Toxiproxy, ledger: Ledger, guardian: Guardian, tmp_path: Path
) -> None:
    for name in ("old", "young"):
        link(server).add(name, Latency(0.1, "upstream"))
    ledger.open(toxic(server, "old", expires_unix_s=time.time() + 0.3))
    ledger.open(toxic(server, "young"))
    guardian.check()
    wait_until(
        "end of the old one",
        lambda: None if list(link(server).state().toxics) == ["young"] else "both",
        limit_s=CLEAN_S,
    )

    def told() -> str | None:
        try:
            guardian.check()
        except HealFailed as error:
            return None if "put back old (latency on redis)" in str(error) else str(error)
        return "nothing said"

    wait_until("word of it", told, limit_s=CLEAN_S)
    assert [each.name for each in read_ledger(ledger.path).open] == ["young"]
    assert not (tmp_path / TAKEN_NAME).exists()
    ledger.open(toxic(server, "next"))
    assert len(guardian.close()) == 2


def test_a_runner_notices_that_its_guardian_was_killed_and_heals_by_itself(
    server: Toxiproxy, ledger: Ledger, guardian: Guardian, tmp_path: Path
) -> None:
    ledger.open(toxic(server, "slow"))
    link(server).add("slow", Latency(0.1, "upstream"))
    os.kill(guardian.pid, signal.SIGKILL)

    def noticed() -> str | None:
        try:
            guardian.check()
        except HealFailed as error:
            return None if "guardian exited (killed by SIGKILL)" in str(error) else str(error)
        return "nothing noticed"

    wait_until("notice", noticed, limit_s=CLEAN_S)
    assert len(guardian.close()) == 1
    assert broken(server, tmp_path) is None


def test_what_resists_is_told_stays_open_and_saves_no_other(server: Toxiproxy, ledger: Ledger, tmp_path: Path) -> None:
    guardian = Guardian(tmp_path, insist_s=0.3)
    ledger.open(toxic(server, "slow"))
    ledger.open(toxic(server, "other", proxy="nobody"))
    link(server).add("slow", Latency(0.1, "upstream"))
    with pytest.raises(HealFailed, match=r"other.*no such proxy"):
        guardian.close()
    assert link(server).state().whole
    assert [each.name for each in read_ledger(ledger.path).open] == ["other"]
    assert "could not put back other (latency on nobody)" in (tmp_path / LOG_NAME).read_text()
    assert '"record": "resists", "name": "other"' in ledger.path.read_text()
    assert lives(guardian.pid) is None


def test_a_later_part_of_the_run_is_not_the_guardians_to_heal(
    server: Toxiproxy, guardian: Guardian, tmp_path: Path
) -> None:
    with contextlib.closing(Ledger(tmp_path)) as later:
        link(server).add("slow", Latency(0.1, "upstream"))
        later.open(toxic(server, "slow"))
        guardian._leave()
        assert not link(server).state().whole
        assert not (tmp_path / TAKEN_NAME).exists()


def test_where_it_cannot_begin_nothing_begins(tmp_path: Path) -> None:
    with pytest.raises(ChaosError, match="did not begin to watch"):
        Guardian(tmp_path)  # there is no ledger
    assert "not begun by any runner" in (tmp_path / LOG_NAME).read_text()
    with pytest.raises(ChaosError, match="cannot be started"):
        Guardian(tmp_path / "nowhere")


def test_on_a_full_disk_nothing_is_broken(server: Toxiproxy) -> None:
    schedule = expand([At(0.0, 0.2, DownFault("redis"))], time_scale=1.0, seed=1)
    with small_disk(64 * 1024) as folder, contextlib.closing(Ledger(folder)) as ledger, ThreadPoolExecutor() as lookers:
        guardian = Guardian(folder, renew_s=0.2)
        with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 64)
        # To the last byte of the page that it has.
        with contextlib.suppress(ChaosError):
            while True:
                ledger.tell("note", text="x" * 100)
        targets, touched = Targets(links={"redis": link(server)}), server.log.stat().st_size
        with pytest.raises(ChaosError, match="cannot be written"):
            make_conductor(targets, ledger, ACTIONS, lookers, guardian.check).play(schedule, start_s=0.0)
        assert server.log.stat().st_size == touched
        assert guardian.close() == []
