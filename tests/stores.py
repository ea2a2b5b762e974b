"""PostgreSQL and Redis servers of the tests' own, for every test that asks for one."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.errors import EnvironmentMissing
from harness.probes.health import postgres_health, redis_health
from harness.wait import wait_until
from infra.local.postgres_server import find_postgres, postgres_program, temp_base
from infra.local.redis_server import find_redis, redis_program
from infra.ports import free_ports
from infra.processes import Program

LIMIT_S = 30.0
SECRET = "only-the-tests"


@contextmanager
def running(program: Program, check: Callable[[], str | None]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; it is healthy when the block begins."""
    with subprocess.Popen(
        program.command, cwd=program.folder, env=dict(program.environment), user=program.user,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as child:  # fmt: skip
        try:
            wait_until(program.service, check, limit_s=LIMIT_S)
            yield child
        finally:
            if child.poll() is None:
                os.kill(child.pid, signal.SIGCONT)  # a paused one would never see the next
            child.send_signal(signal.Signals[program.stop])


@contextmanager
def postgres_server() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run a fresh PostgreSQL; yields its process and its DSN."""
    try:
        install, base = find_postgres(), temp_base()
    except EnvironmentMissing as error:
        pytest.skip(str(error))
    with tempfile.TemporaryDirectory(dir=base, ignore_cleanup_errors=True) as folder:
        (port,) = free_ports(1)
        program = postgres_program(install, port=port, folder=Path(folder), password=SECRET)
        dsn = f"postgresql://heavyweather:{SECRET}@127.0.0.1:{port}/postgres"
        with running(program, lambda: postgres_health(dsn)) as child:
            yield child, dsn


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    with postgres_server() as (_, dsn):
        yield dsn


@pytest.fixture
def postgres_child() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start a PostgreSQL of this test's own, to be stopped, paused or broken; return its process and its DSN."""
    with postgres_server() as (child, dsn):
        yield child, dsn


@pytest.fixture
def redis_child(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a Redis; return its process, which a test may pause, and its port."""
    try:
        install = find_redis()
    except EnvironmentMissing as error:
        pytest.skip(str(error))
    (port,) = free_ports(1)
    program = redis_program(install, port=port, folder=tmp_path)
    with running(program, lambda: redis_health("127.0.0.1", port)) as child:
        yield child, port
