"""The cost of one process: what Linux' own files say is what psutil says."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest

from harness.probes.processes.cost import Cost, by_linux, by_psutil, cost_of
from harness.wait import wait_until

WAYS = [by_psutil, *([by_linux] if sys.platform == "linux" else [])]
# Its name has what a reader of /proc/PID/stat may trip over.
NAMED = "import ctypes; ctypes.CDLL(None).prctl(15, b'a) Z (b', 0, 0, 0); print(flush=True); input()"
Way = Callable[[int], Cost | None]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", NAMED]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        yield running
        running.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux'")
def test_both_ways_say_the_same(child: subprocess.Popen[bytes]) -> None:
    def seen() -> str | None:
        one, other = by_linux(child.pid), by_psutil(child.pid)
        assert one is not None
        assert other is not None
        # When it began is told in other units.
        return None if one[1:] == other[1:] else f"{one} {other}"

    wait_until("an idle process", seen, limit_s=10)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux'")
def test_an_older_kernel_has_the_descriptors_counted(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = by_linux(child.pid)

    class Unsized:
        st_size = 0

    with monkeypatch.context() as older:
        older.setattr(os, "stat", lambda _: Unsized)
        counted = by_linux(child.pid)
    assert counted is not None
    assert told is not None
    assert counted.fds == told.fds


@pytest.mark.parametrize("way", WAYS)
def test_one_process_is_told_from_another(way: Way, child: subprocess.Popen[bytes]) -> None:
    own, other, again = way(os.getpid()), way(child.pid), way(os.getpid())
    assert own is not None
    assert other is not None
    assert again is not None
    assert own.began == again.began < other.began
    assert own.rss_bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.1)


@pytest.mark.parametrize("way", WAYS)
def test_one_that_ended_costs_nothing_also_before_its_parent_asks(way: Way, child: subprocess.Popen[bytes]) -> None:
    child.kill()
    process = psutil.Process(child.pid)
    wait_until("the end", lambda: None if process.status() == psutil.STATUS_ZOMBIE else "alive", limit_s=10)
    assert way(child.pid) is None
    child.wait()
    assert way(child.pid) is None


def test_the_way_is_the_systems() -> None:
    told = cost_of(os.getpid())
    assert told is not None
    assert told.fds is not None
