"""However its runner ends, and whoever runs it, a local stack leaves nothing."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.probes.health import http_health
from harness.root import ROOT
from harness.wait import wait_until
from infra.local import leftovers
from infra.stack import SERVICES
from infra.toxiproxy.server import find_or_build

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="no Redis server exists for Windows"),
    pytest.mark.thorough,
]

RUNNER = """
import signal, sys
from pathlib import Path
from infra.local.stack import LocalStack
from infra.stack import StackPlan
stack = LocalStack(StackPlan("endings", Path(sys.argv[1])))
stack.up()
print("up", flush=True)
if sys.argv[2] == "wait":
    signal.pause()
print(*(f"{p.service}={p.process.pid}" for p in stack.services()), flush=True)
stack.down()
print("down", flush=True)
"""


def alive(pids: set[int]) -> list[str]:
    """Return those of `pids` that still run, each with its command."""
    found = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):  # which a zombie is, too
            found.append(f"{pid} {psutil.Process(pid).cmdline()}")
    return found


class Watched:
    """A runner in a process of its own, and every process and folder it was ever seen to make."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = [sys.executable, "-c", RUNNER, str(folder), "wait"]
        self.popen = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.pids: set[int] = set()
        self.folders: set[Path] = set()

    def started(self) -> int:
        """Look, and return how many services have been started; -1 before there is a record."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.pids |= {child.pid for child in psutil.Process(self.popen.pid).children(recursive=True)}
        record = leftovers.read_record(self.folder)
        if record is None:
            return -1
        self.pids |= {mark.process.pid for mark in record.processes}
        self.folders |= {Path(folder) for folder in record.folders}
        return len(record.processes)

    def wait_started(self, count: int) -> None:
        wait_until(
            f"{count} services",
            lambda: None if self.started() >= count else f"{self.started()}",
            limit_s=30,
            poll_s=0.001,
        )

    def left(self) -> str | None:
        still = alive(self.pids) + [str(folder) for folder in self.folders if folder.exists()]
        return ", ".join(still) or None


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    yield watched
    watched.popen.kill()
    watched.popen.communicate()
    wait_until("reaping", watched.left, limit_s=10)


@pytest.mark.parametrize("count", [3, *(pytest.param(n, marks=pytest.mark.thorough) for n in (0, 1, 5))])
def test_ctrl_c_in_the_middle_of_up_leaves_nothing(runner: Watched, count: int) -> None:
    runner.wait_started(count)
    runner.popen.send_signal(signal.SIGINT)
    _, complaint = runner.popen.communicate(timeout=20)
    assert b"KeyboardInterrupt" in complaint
    assert leftovers.read_record(runner.folder) is None, complaint.decode()
    assert runner.left() is None, complaint.decode()


@pytest.mark.parametrize("count", [5, *(pytest.param(n, marks=pytest.mark.thorough) for n in (0, 2))])
def test_kill_9_at_any_moment_leaves_nothing_after_the_reaper(runner: Watched, count: int) -> None:
    runner.wait_started(count)
    if count == len(SERVICES):
        record = leftovers.read_record(runner.folder)
        assert record is not None
        wait_until("api", lambda: http_health(f"http://{record.addresses['api']}/ready"), limit_s=20)
        runner.started()
    runner.popen.kill()
    wait_until("reaping", runner.left, limit_s=10)
    if count == len(SERVICES):
        assert len(runner.pids) > len(SERVICES)
        assert "the runner is gone; ending" in (runner.folder / "reaper.log").read_text()


def _reachable_by_others(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _python_for_others() -> str | None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = (sys.executable, shutil.which(version, path="/usr/local/bin:/usr/bin"))
    return next((found for found in candidates if found and _reachable_by_others(Path(found).resolve())), None)


def _environment_of(python: str, packages: Path, folder: Path) -> Path:
    """Make a virtual environment that finds `packages`; services are started without PYTHONPATH."""
    subprocess.run([python, "-m", "venv", "--without-pip", "--symlinks", folder], check=True)
    [own] = folder.glob("lib/python*/site-packages")
    (own / "packages.pth").write_text(f"{packages}\n")
    # The redis client wants it of a Python before 3.11.3, which the system's may be.
    (own / "async_timeout.py").write_text("from asyncio import timeout\n__all__ = ['timeout']\n")
    return folder / "bin" / "python"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="it runs as an ordinary user already")
def test_an_ordinary_user_can_run_it() -> None:
    packages = Path(psutil.__file__).resolve().parents[1]
    python = _python_for_others()
    if python is None or not _reachable_by_others(packages):
        pytest.skip("no interpreter or no packages that another user can reach")
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        own_python = _environment_of(python, packages, home / "venv")
        for room in ("harness", "infra"):
            shutil.copytree(ROOT / room, home / room, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(find_or_build(), home / "toxiproxy-server")
        for path in (home, *home.rglob("*")):
            os.chown(path, 65534, 65534)
        done = subprocess.run(
            [own_python, "-W", "error", "-c", RUNNER, str(home / "run"), "go"],
            cwd=home,
            env={"PATH": f"{home}:{os.environ['PATH']}", "HOME": str(home)},
            user=65534,
            group=65534,
            extra_groups=[],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        up, services, down = done.stdout.splitlines()
        assert (up, down) == ("up", "down")
        assert not alive({int(part.split("=")[1]) for part in services.split()})
        assert json.loads((home / "run" / "toxiproxy.json").read_text())
