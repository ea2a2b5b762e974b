import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from harness.identity import family, find_process, runs
from harness.wait import wait_until

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


def test_it_is_found_by_its_id_and_its_birth(child: subprocess.Popen[str]) -> None:
    created_s = psutil.Process(child.pid).create_time()
    for told_s in (created_s, created_s + 5, created_s - 5):
        found = find_process(child.pid, told_s)
        assert found is not None, "the wall clock is corrected by seconds now and then"
        assert found.pid == child.pid


@pytest.mark.parametrize("off_s", [-60.0, 60.0])
def test_a_stranger_with_its_id_is_not_it(child: subprocess.Popen[str], off_s: float) -> None:
    assert find_process(child.pid, psutil.Process(child.pid).create_time() + off_s) is None


@pytest.mark.parametrize("pid", [-1, 2**31 - 1, 2**70])
def test_an_id_that_nobody_has_finds_nobody(pid: int) -> None:
    assert find_process(pid, 0.0) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no zombies")
def test_one_that_waits_to_be_collected_is_gone(child: subprocess.Popen[str]) -> None:
    created_s = psutil.Process(child.pid).create_time()
    found = find_process(child.pid, created_s)
    assert found is not None
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    assert not runs(found)
    assert find_process(child.pid, created_s) is None
    assert family(found) == []


def test_a_family_is_the_process_and_all_below_it(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    grandchild = int(child.stdout.readline())
    root = psutil.Process(child.pid)
    assert [process.pid for process in family(root)] == [child.pid, grandchild]
    psutil.Process(grandchild).kill()
    wait_until("its end", lambda: None if family(root) == [root] else "still there", limit_s=10)
