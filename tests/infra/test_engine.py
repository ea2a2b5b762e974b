"""What is said when Docker or Compose is absent, distant or too old, and that no command outlives its limit."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness.errors import EnvironmentMissing, StackError
from harness.root import ROOT
from harness.wait import wait_until
from infra import engine


def fake_docker(folder: Path, script: str) -> None:
    """Put a `docker` of ours into a folder: what it answers is what the test is about."""
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def wait_for_the_end_of(pid: int) -> None:
    """Wait: a signal sent is not yet a process ended. An orphan that nobody collects stays on as a zombie."""

    def seen() -> str | None:
        with contextlib.suppress(psutil.NoSuchProcess):
            if (status := psutil.Process(pid).status()) != psutil.STATUS_ZOMBIE:
                return status
        return None

    wait_until(f"the end of process {pid}", seen, limit_s=10.0)


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return tmp_path


def test_no_docker_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentMissing, match=r"the docker command is missing: .*--stack local"):
        engine.connect()
    with pytest.raises(EnvironmentMissing, match="Compose v2"):
        engine.compose_version()


pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-in docker is a shell script")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "ssh://somewhere"])
def test_a_distant_engine_is_refused(on_path: Path, address: str) -> None:
    fake_docker(on_path, f"echo {address}")
    with pytest.raises(EnvironmentMissing, match=f"talks to {address}"):
        engine.connect()


def test_an_engine_that_does_not_answer(on_path: Path) -> None:
    fake_docker(on_path, "[ $1 = context ] && echo unix:///nobody || { echo nobody answers >&2; exit 1; }")
    with pytest.raises(
        EnvironmentMissing, match=r"a Docker engine that answers is missing: start Docker \(nobody answers"
    ):
        engine.connect()


@pytest.mark.parametrize(
    ("said", "version"), [("2.40.3", "2.40.3"), ("v2.23.1", "2.23.1"), ("5.0.0-rc.1", "5.0.0-rc.1"), ("dev", "dev")]
)
def test_compose_versions_that_will_do(on_path: Path, said: str, version: str) -> None:
    fake_docker(on_path, f"echo {said}")
    assert engine.compose_version() == version


@pytest.mark.parametrize("said", ["2.23.0", "2.9.0", "1.29.2"])
def test_compose_versions_that_are_too_old(on_path: Path, said: str) -> None:
    fake_docker(on_path, f"echo {said}")
    with pytest.raises(EnvironmentMissing, match=rf"2\.23\.1 or newer \(this is {said}\)"):
        engine.compose_version()


def test_compose_that_is_not_there(on_path: Path) -> None:
    fake_docker(on_path, "echo unknown command >&2; exit 1")
    with pytest.raises(EnvironmentMissing, match=r"docker-compose-plugin.*\.ci/container-engine"):
        engine.compose_version()


def test_a_failed_command_says_its_last_words_and_its_code(on_path: Path) -> None:
    fake_docker(on_path, 'echo "got $*"; echo first >&2; echo last >&2; exit 5')
    with pytest.raises(StackError, match=r"docker compose up failed \(exit code 5\):\nfirst\nlast"):
        engine.compose(["-p", "x"], ["up"], os.environ, limit_s=10.0)


def test_a_command_s_output_is_returned_and_its_environment_is_ours(on_path: Path) -> None:
    fake_docker(on_path, 'echo "$GIVEN"')
    assert engine.compose([], ["config"], {**os.environ, "GIVEN": "this"}, limit_s=10.0) == "this\n"


def test_a_command_past_its_limit_is_ended_with_its_children(on_path: Path) -> None:
    fake_docker(on_path, "trap '' INT; sleep 600 & echo $! >child; wait; wait")
    with contextlib.chdir(on_path), pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_LEAVE_S", 0.2)
        with pytest.raises(StackError, match="docker compose up not done after 1 s"):
            engine.compose([], ["up"], os.environ, limit_s=1.0)
    wait_for_the_end_of(int((on_path / "child").read_text()))


def test_an_interrupt_ends_the_command_that_the_terminal_s_signal_did_not_reach(on_path: Path) -> None:
    fake_docker(on_path, "echo $$ >child; kill -INT $PPID; exec sleep 600")
    program = "import os; from infra import engine; engine.compose([], ['up'], os.environ, limit_s=60.0)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=on_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in done.stderr
    wait_for_the_end_of(int((on_path / "child").read_text()))
