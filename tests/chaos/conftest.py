"""Real servers for the room's tests: a Redis, and a Toxiproxy with one proxy before it and one before nothing."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from chaos.canary.canary import Canary
from chaos.faults.links.toxiproxy import ToxiproxyLink
from harness.probes.health import http_health, redis_health, toxiproxy_health
from harness.wait import wait_until
from infra.local.postgres_server import temp_base
from infra.local.redis_server import find_redis, redis_program
from infra.ports import free_ports
from infra.processes import Program, start
from infra.toxiproxy.server import find_or_build, toxiproxy_program

LIMIT_S = 15.0


@dataclass(frozen=True)
class Toxiproxy:
    """A running server: its API, and where each of its proxies listens."""

    port: int
    doors: Mapping[str, int]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def make_whole(self) -> None:
        """Enable every proxy and take every toxic off."""
        httpx.post(f"{self.url}/reset", trust_env=False, timeout=LIMIT_S).raise_for_status()


@contextlib.contextmanager
def running(program: Program, check: Callable[[], str | None]) -> Iterator[Path]:
    """Run a program while inside; yields its log, once `check` finds nothing wrong."""
    child = start(program, program.folder)
    try:
        wait_until(program.service, lambda: child.trouble() or check(), limit_s=LIMIT_S)
        yield child.log
    finally:
        child.popen.terminate()
        try:
            child.popen.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            child.popen.kill()
            child.popen.wait()
            raise


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    # Not pytest's own: a PostgreSQL started by root runs as another user, who must be able to enter.
    with tempfile.TemporaryDirectory(prefix="heavyweather-chaos-", dir=temp_base(), ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o711)
        yield Path(made)


@pytest.fixture(scope="session")
def redis_port(folder: Path) -> Iterator[int]:
    (port,) = free_ports(1)
    program = redis_program(find_redis(), port=port, folder=folder)
    with running(program, lambda: redis_health("127.0.0.1", port)):
        yield port


@pytest.fixture(scope="session")
def http_port() -> Iterator[int]:
    """Serve `/health` as the reference stack's services do: same server, same parser."""

    def health(_request: Request) -> JSONResponse:
        return JSONResponse({"alive": True})

    def metrics(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("series 1.0\n" * 700)

    (port,) = free_ports(1)
    app = Starlette(routes=[Route("/health", health), Route("/metrics", metrics)])
    config = uvicorn.Config(app, port=port, log_config=None, http="h11", server_header=False, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until("the HTTP service", lambda: http_health(f"http://127.0.0.1:{port}/health"), limit_s=LIMIT_S)
        yield port
    finally:
        server.should_exit = True
        thread.join(LIMIT_S)


def free_port_beside(config: str) -> int:
    """Return a free port that no proxy of a configuration will take: a server lives on whose API cannot listen."""
    return next(port for port in free_ports(16) if str(port) not in config)


StartToxiproxy = Callable[[str], contextlib.AbstractContextManager[Toxiproxy]]


@pytest.fixture(scope="session")
def start_toxiproxy(folder: Path) -> StartToxiproxy:
    """Start a server of its own from the text of a configuration, whatever that text is."""

    @contextlib.contextmanager
    def started(config: str) -> Iterator[Toxiproxy]:
        port = free_port_beside(config)
        place = folder / f"toxiproxy-{port}"
        place.mkdir()
        file = place / "config.json"
        file.write_text(config, encoding="utf-8")
        program = toxiproxy_program(find_or_build(), port=port, config=file, folder=place)
        with running(program, lambda: toxiproxy_health(f"http://127.0.0.1:{port}")) as log:
            yield Toxiproxy(port, {}, log)

    return started


@pytest.fixture(scope="session")
def _server(start_toxiproxy: StartToxiproxy, redis_port: int) -> Iterator[Toxiproxy]:
    door, dead_door, nobody = free_ports(3)
    proxies = [
        {"name": "redis", "listen": f"127.0.0.1:{door}", "upstream": f"127.0.0.1:{redis_port}"},
        {"name": "dead", "listen": f"127.0.0.1:{dead_door}", "upstream": f"127.0.0.1:{nobody}"},
    ]
    with start_toxiproxy(json.dumps(proxies)) as server:
        yield Toxiproxy(server.port, {"redis": door, "dead": dead_door}, server.log)


@pytest.fixture
def server(_server: Toxiproxy) -> Iterator[Toxiproxy]:
    """Lend the session's Toxiproxy, whole before and after."""
    _server.make_whole()
    yield _server
    _server.make_whole()


@pytest.fixture(scope="session")
def _hops(start_toxiproxy: StartToxiproxy, redis_port: int, postgres_dsn: str, http_port: int) -> Iterator[Toxiproxy]:
    postgres_port = urlsplit(postgres_dsn).port
    callees = {"redis": redis_port, "postgres": postgres_port, "http": http_port}
    doors = dict(zip(callees, free_ports(len(callees)), strict=True))
    proxies = [
        {"name": name, "listen": f"127.0.0.1:{doors[name]}", "upstream": f"127.0.0.1:{port}"}
        for name, port in callees.items()
    ]
    with start_toxiproxy(json.dumps(proxies)) as server:
        yield Toxiproxy(server.port, doors, server.log)


@pytest.fixture
def hops(_hops: Toxiproxy) -> Iterator[Mapping[str, ToxiproxyLink]]:
    """Lend a link to a service of every protocol, by the protocol's name; whole before and after."""
    _hops.make_whole()
    yield {
        name: ToxiproxyLink("127.0.0.1", _hops.port, name, Canary("127.0.0.1", door, name, 1.0, "/metrics"))
        for name, door in _hops.doors.items()
    }
    _hops.make_whole()


Serve = Callable[[Callable[[socket.socket], None]], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve one connection with a function of the test's own, and return the port to connect to."""
    with contextlib.ExitStack() as after:

        def serve_one(answer: Callable[[socket.socket], None]) -> int:
            listener = after.enter_context(socket.create_server(("127.0.0.1", 0)))
            listener.settimeout(LIMIT_S)

            def run() -> None:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(LIMIT_S)
                    answer(connection)

            thread = threading.Thread(target=run)
            thread.start()
            after.callback(thread.join, LIMIT_S)
            return int(listener.getsockname()[1])

        yield serve_one
