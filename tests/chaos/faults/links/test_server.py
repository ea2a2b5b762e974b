"""Restarts: data and back without loss, the right process and no other, and a container by its engine."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from docker.models.containers import Container

from chaos.faults.links.server import ContainerRestart, ProcessRestart, Restart, restart_from
from chaos.run_container import Place
from harness.errors import ChaosError, EnvironmentMissing, Refused
from harness.identity import ProcessId
from harness.records import RUN_LABEL
from harness.wait import wait_until
from infra import engine
from infra.images.choice import offline_tag
from infra.images.supply import is_present
from tests.processes import stranger_to

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are started by the shell")

LIMIT_S = 5.0
PLACE = Place("toxiproxy", "unix:///nowhere.sock", "abcdef1234567890", "run")


def restart(process: ProcessId, folder: Path, text: str) -> ProcessRestart:
    """Return one whose command writes a line and ends."""
    return ProcessRestart(process, ("/bin/echo", text), str(folder), str(folder / "log"))


def wait_for(folder: Path, text: str) -> None:
    def missing() -> str | None:
        found = (folder / "log").read_text(encoding="utf-8")
        return None if text in found else f"not in the log: {found!r}"

    wait_until("the restarted program", missing, limit_s=LIMIT_S)


@pytest.mark.parametrize(
    "made",
    [
        ProcessRestart(ProcessId(7, 1.5, 150, "boot"), ["server", "-port", "1"], "/run", "/run/log"),
        ProcessRestart(ProcessId(7, 1.5), ["server", "-port", "1"], "/run", "/run/log", 9),
        ContainerRestart(PLACE),
    ],
    ids=["process", "of earlier versions", "container"],
)
def test_what_was_written_down_is_what_is_read(made: Restart) -> None:
    assert restart_from(json.loads(json.dumps(made.as_args()))) == made


@pytest.mark.parametrize("args", [{}, {"by": "magic"}, {"by": "process"}, {"by": "container", "pid": 3}], ids=str)
def test_what_is_none_is_told(args: dict[str, object]) -> None:
    with pytest.raises(ChaosError, match="no way to start a server again"):
        restart_from(args)


def test_the_process_is_killed_and_its_command_line_started(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as sleeper:
        restart(ProcessId.of(psutil.Process(sleeper.pid)), tmp_path, "again").carry_out()
        assert sleeper.wait(LIMIT_S) == -9
    wait_for(tmp_path, "again")


def test_a_stranger_with_its_id_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as sleeper:
        stranger = stranger_to(ProcessId.of(psutil.Process(sleeper.pid)))
        restart(stranger, tmp_path, "again").carry_out()
        assert sleeper.poll() is None
        sleeper.kill()
    wait_for(tmp_path, "again")


def test_what_was_started_is_nobody_s_child(tmp_path: Path) -> None:
    command = ("/bin/sh", "-c", "echo pid=$$; exec sleep 60")
    ProcessRestart(ProcessId(2**22 + 1, 0.0), command, str(tmp_path), str(tmp_path / "log")).carry_out()
    wait_for(tmp_path, "pid=")
    pid = int((tmp_path / "log").read_text(encoding="utf-8").partition("pid=")[2])
    try:
        assert pid not in {child.pid for child in psutil.Process().children(recursive=True)}
    finally:
        psutil.Process(pid).kill()


def test_a_server_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    with pytest.raises(ChaosError, match="cannot be started again"):
        ProcessRestart(ProcessId(2**22 + 1, 0.0), ("/bin/true",), nowhere, str(tmp_path / "log")).carry_out()


def test_what_was_started_ends_with_its_owner(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as owner:
        command = ("/bin/sh", "-c", "echo pid=$$; exec sleep 60")
        log = str(tmp_path / "log")
        ProcessRestart(ProcessId(2**22 + 1, 0.0), command, str(tmp_path), log, owner.pid).carry_out()
        wait_for(tmp_path, "pid=")
        pid = int((tmp_path / "log").read_text(encoding="utf-8").partition("pid=")[2])
        assert psutil.pid_exists(pid)
        owner.kill()
        owner.wait()

    def left() -> str | None:
        return "still there" if psutil.pid_exists(pid) else None

    wait_until("the end of the restarted program", left, limit_s=LIMIT_S)


@pytest.fixture
def container() -> Iterator[Container]:
    """Lend a Toxiproxy in a container of a run."""
    try:
        client = engine.connect()
    except EnvironmentMissing as error:
        pytest.skip(str(error))
    with contextlib.closing(client):
        image = offline_tag("toxiproxy")
        if not is_present(client, image):
            pytest.skip("the offline images are not built: nox -s offline_images")
        made = client.containers.run(image, ["-host=127.0.0.1"], labels={RUN_LABEL: "restarted"}, detach=True)
        try:
            yield made
        finally:
            made.remove(force=True)


def test_a_container_of_the_run_is_restarted_by_its_engine_and_a_stranger_s_is_not(container: Container) -> None:
    container.reload()
    began = container.attrs["State"]["StartedAt"]
    with pytest.raises(Refused, match="not labelled as of run another"):
        ContainerRestart(Place("toxiproxy", "", str(container.id), "another")).carry_out()
    container.reload()
    assert container.attrs["State"]["StartedAt"] == began
    restart_from(ContainerRestart(Place("toxiproxy", "", str(container.id), "restarted")).as_args()).carry_out()
    container.reload()
    assert container.attrs["State"]["StartedAt"] != began


def test_a_container_that_is_gone_is_told(container: Container) -> None:
    place = Place("toxiproxy", "", "0" * 64, "restarted")
    with pytest.raises(ChaosError, match="toxiproxy cannot be started again: its container is gone"):
        ContainerRestart(place).carry_out()
    assert container.id
