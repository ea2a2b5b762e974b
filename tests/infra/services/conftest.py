"""Real servers for the services' tests: PostgreSQL, Redis, and api and auth as processes of their own."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.probes.health import http_health, postgres_health, redis_health
from harness.wait import wait_until
from infra.local.postgres_server import DATABASE, SUPERUSER, find_postgres, postgres_program, temp_base
from infra.local.redis_server import find_redis, redis_program
from infra.ports import free_ports
from tests.infra.services.rig import LIMIT_S, MakeApi, Program, Service, adopt, service


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    # Not pytest's own folder: as root PostgreSQL runs as another user, who must be able to enter.
    with tempfile.TemporaryDirectory(prefix="hw-services-", dir=temp_base(), ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres(scratch: Path) -> Iterator[tuple[Program, str]]:
    """Start a PostgreSQL; return it and its DSN."""
    (port,), password, folder = free_ports(1), secrets.token_hex(8), scratch / "postgres"
    folder.mkdir()
    dsn = f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/{DATABASE}"
    made = postgres_program(find_postgres(), port=port, folder=folder, password=password)
    program = adopt(made, lambda: postgres_health(dsn), scratch)
    program.start()
    yield program, dsn
    program.stop()


@pytest.fixture(scope="session")
def redis_server(scratch: Path) -> Iterator[tuple[Program, str]]:
    """Start a Redis; return it and its URL."""
    (port,) = free_ports(1)
    made = redis_program(find_redis(), port=port, folder=scratch)
    program = adopt(made, lambda: redis_health("127.0.0.1", port), scratch)
    program.start()
    yield program, f"redis://127.0.0.1:{port}/0"
    program.stop()


@pytest.fixture(scope="session")
def auth(scratch: Path) -> Iterator[Service]:
    """Start an auth."""
    program = service("auth", scratch, HW_TOKEN_SECRET=secrets.token_hex(8))
    program.start()
    yield program
    program.stop()


@pytest.fixture(scope="session")
def make_api(scratch: Path, postgres: tuple[Program, str], redis_server: tuple[Program, str]) -> Iterator[MakeApi]:
    """Start an api on the session's servers, with defects or other settings as asked."""
    made: list[Service] = []

    def make(*, ready: bool = True, **environment: str) -> Service:
        api = service(
            "api", scratch, **{"HW_POSTGRES_DSN": postgres[1], "HW_REDIS_URL": redis_server[1], **environment}
        )
        made.append(api)
        api.start()
        if ready:
            wait_until("api ready", lambda: http_health(f"{api.url}/ready"), limit_s=LIMIT_S)
        return api

    yield make
    for api in made:
        api.stop()


@pytest.fixture(scope="session")
def api(make_api: MakeApi) -> Service:
    """Start a healthy api in a stack without auth."""
    return make_api()
