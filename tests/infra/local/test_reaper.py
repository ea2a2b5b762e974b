import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.errors import StackError
from harness.identity import ProcessId
from harness.root import ROOT
from harness.wait import wait_until
from infra.local.reaper import FOLDER_PREFIX, Reaper, remove_folder
from infra.processes import Child, Program, ServiceProcess, end, minimal_environment, runs, start
from tests.processes import stranger_to

# A runner that starts one child and then waits to be killed; with "fork", a fork of it holds its pipe open.
RUNNER = """
import json, os, signal, sys
from dataclasses import asdict
from pathlib import Path
from infra.processes import Program, minimal_environment, start
from infra.local.reaper import Reaper
run_folder, temp, forked = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
reaper = Reaper(run_folder)
reaper.remove(temp)
command = (sys.executable, "-c", "import signal; signal.pause()")
child = start(Program("dummy", command, run_folder, minimal_environment()), run_folder)
reaper.watch(child.mark)
holder = 0
if forked == "fork":
    holder = os.fork()
    if holder == 0:
        signal.pause()
print(json.dumps([child.mark.process.pid, holder, reaper._process.pid]), flush=True)
signal.pause()
"""


@pytest.fixture
def temp() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    (folder / "data").mkdir()
    yield folder
    remove_folder(folder)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def survives(pid: int, number: signal.Signals) -> bool:
    """Whether a signal that ends a process by default is caught, and so has been taken care of."""
    status = Path(f"/proc/{pid}/status").read_text()
    [mask] = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt")]
    return bool(mask & 1 << (number - 1))


@pytest.mark.parametrize("forked", ["no", "fork"])
def test_the_children_of_a_killed_runner_are_ended_and_its_folders_removed(
    tmp_path: Path, temp: Path, forked: str
) -> None:
    command = [sys.executable, "-c", RUNNER, str(tmp_path), str(temp), forked]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as runner:
        assert runner.stdout is not None
        child, holder, reaper = json.loads(runner.stdout.readline())
        assert not gone(child)
        if sys.platform == "linux":
            wait_until(
                "reaper deaf to signals", lambda: None if survives(reaper, signal.SIGHUP) else "not yet", limit_s=10
            )
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(reaper, number)
        runner.kill()
    try:
        wait_until("reaping", lambda: None if gone(child) and gone(reaper) else "alive", limit_s=10)
        assert not temp.exists()
        assert f"dummy ({child})" in (tmp_path / "reaper.log").read_text()
    finally:
        if holder:
            os.kill(holder, signal.SIGKILL)


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    command = (sys.executable, "-c", "import signal; signal.pause()")
    child = start(Program("dummy", command, tmp_path, minimal_environment()), tmp_path)
    yield child
    end([child.living])
    child.popen.wait(timeout=5)


def test_closing_ends_what_still_lives_and_waits_for_it(tmp_path: Path, temp: Path, child: Child) -> None:
    reaper = Reaper(tmp_path)
    reaper.watch(child.mark)
    reaper.remove(temp)
    reaper.close()
    assert not runs(child.living)
    assert not temp.exists()


def test_a_stranger_with_a_childs_id_is_left_alone(tmp_path: Path) -> None:
    reaper = Reaper(tmp_path)
    reaper.watch(ServiceProcess("stranger", stranger_to(ProcessId.own())))
    reaper.close()  # we are still here to see it
    assert (tmp_path / "reaper.log").read_text() == ""


def test_only_folders_of_ours_are_removed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    reaper = Reaper(tmp_path)
    reaper.remove(precious)
    reaper.close()
    assert precious.is_dir()


def test_half_a_line_from_a_runner_killed_while_writing_is_ignored(tmp_path: Path, child: Child) -> None:
    reaper = Reaper(tmp_path)
    reaper.watch(child.mark)
    reaper._pipe.write(b'{"service": "x", "pi')
    reaper.close()
    assert not runs(child.living)
    assert "Traceback" not in (tmp_path / "reaper.log").read_text()


def test_a_reaper_that_was_killed_is_noticed_at_the_next_start(tmp_path: Path, child: Child) -> None:
    reaper = Reaper(tmp_path)
    reaper._process.kill()
    reaper._process.wait(timeout=5)
    with pytest.raises(StackError, match="children would outlive"):
        reaper.watch(child.mark)
    reaper.close()
