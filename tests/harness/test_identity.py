import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.identity import ProcessId, family, runs
from harness.wait import wait_until
from tests.processes import process_ids, stranger_to

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
print(child.pid, flush=True)
input()
"""


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        yield child
        child.kill()


def identity_of(child: subprocess.Popen[str]) -> ProcessId:
    return ProcessId.of(psutil.Process(child.pid))


@given(process_ids())
def test_what_was_written_down_is_what_is_read(process: ProcessId) -> None:
    for prefix in ("", "runner_"):
        written = json.loads(json.dumps({"service": "api", **process.args(prefix=prefix)}))
        assert ProcessId.read(written, prefix=prefix) == process
    told = ProcessId.parse(str(process))
    assert (told.pid, told.ticks, told.boot) == (process.pid, process.ticks, process.boot)
    assert abs(told.created_s - process.created_s) <= 0.01
    assert told.is_same(process)


@given(st.text(alphabet="0123456789@/.-ex \N{SUPERSCRIPT TWO}"))
def test_text_is_a_process_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        ProcessId.parse(text).find()


@given(process_ids(exact=True), process_ids(exact=True), st.floats(-1e9, 1e9))
def test_ticks_decide_alone_and_exactly(one: ProcessId, other: ProcessId, step_s: float) -> None:
    assert one.ticks is not None
    assert one.is_same(replace(one, created_s=one.created_s + step_s)), "whatever the wall clock does"
    for changed in (replace(one, ticks=one.ticks + 1), replace(one, boot=other.boot), replace(one, pid=one.pid + 1)):
        assert one.is_same(changed) == changed.is_same(one) == (one == changed)


@given(process_ids(exact=False), process_ids(), st.floats(-60, 60))
def test_without_ticks_creation_times_decide_within_the_corrections_of_a_clock(
    earlier: ProcessId, other: ProcessId, off_s: float
) -> None:
    now = replace(other, pid=earlier.pid, created_s=earlier.created_s + off_s)
    assume(not 9.99 < abs(off_s) < 10.01)
    assert earlier.is_same(now) == now.is_same(earlier) == (abs(off_s) <= 10)
    assert not earlier.is_same(replace(now, pid=now.pid + 1))


def test_a_process_is_found_by_what_was_written_of_it(child: subprocess.Popen[str]) -> None:
    now = identity_of(child)
    for written in (now, ProcessId(now.pid, now.created_s), ProcessId(now.pid, now.created_s + 5)):
        found = written.find()
        assert found is not None
        assert found.pid == child.pid


def test_a_stranger_with_its_id_is_not_it(child: subprocess.Popen[str]) -> None:
    now = identity_of(child)
    assert stranger_to(now).find() is None
    for off_s in (-60.0, 60.0):
        assert ProcessId(now.pid, now.created_s + off_s).find() is None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere psutil reads no /proc")
@pytest.mark.parametrize("step_s", [-3600, 3600])
def test_a_step_of_the_clock_makes_no_living_process_look_gone(
    child: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_s: int
) -> None:
    """The kernel tells of the step in the time of the boot: the private /proc has another one."""
    before = identity_of(child)
    stat = Path("/proc/stat").read_text(encoding="ascii")
    booted_s = int(re.search(r"^btime (\d+)$", stat, re.MULTILINE)[1])  # type: ignore[index] # it has one
    (tmp_path / "stat").write_text(stat.replace(f"btime {booted_s}", f"btime {booted_s + step_s}"), encoding="ascii")
    (tmp_path / str(child.pid)).symlink_to(f"/proc/{child.pid}")
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    assert psutil.Process(child.pid).create_time() == pytest.approx(before.created_s + step_s), "the clock has stepped"
    assert before.lives
    assert identity_of(child).is_same(before)
    assert not stranger_to(before).lives
    assert not replace(before, ticks=None).lives, "which is why there are ticks"


@pytest.mark.parametrize("exact", [{}, {"ticks": 1, "boot": "x"}])
@pytest.mark.parametrize("pid", [-1, 2**31 - 1, 2**70])
def test_an_id_that_nobody_has_finds_nobody(pid: int, exact: dict[str, Any]) -> None:
    assert ProcessId(pid, 0.0, **exact).find() is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no zombies")
def test_one_that_waits_to_be_collected_is_gone(child: subprocess.Popen[str]) -> None:
    now = identity_of(child)
    found = now.find()
    assert found is not None
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    assert not runs(found)
    assert identity_of(child) == now
    assert not now.lives
    assert family(found) == []


def test_a_family_is_the_process_and_all_below_it(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    grandchild = int(child.stdout.readline())
    root = psutil.Process(child.pid)
    assert [process.pid for process in family(root)] == [child.pid, grandchild]
    psutil.Process(grandchild).kill()
    wait_until("its end", lambda: None if family(root) == [root] else "still there", limit_s=10)
