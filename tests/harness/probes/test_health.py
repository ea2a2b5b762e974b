"""Health checks against real servers: well, gone, stalled, and those that accept and say nothing."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from harness.probes.health import http_health, postgres_health, redis_health, toxiproxy_health
from tests.harness.servers import serving

TIMEOUT_S = 0.3


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Yield a port that is bound, so that nobody else takes it, but where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Yield a port whose connections are accepted by the kernel and never answered: a proxy before nothing."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        yield held.getsockname()[1]


CHECKS: dict[str, Callable[[int], str | None]] = {
    "http": lambda port: http_health(f"http://127.0.0.1:{port}/health", timeout_s=TIMEOUT_S),
    "postgres": lambda port: postgres_health(f"postgresql://u:p@127.0.0.1:{port}/db", timeout_s=TIMEOUT_S),
    "redis": lambda port: redis_health("127.0.0.1", port, timeout_s=TIMEOUT_S),
    "toxiproxy": lambda port: toxiproxy_health(f"http://127.0.0.1:{port}", timeout_s=TIMEOUT_S),
}


@pytest.mark.parametrize("check", CHECKS)
def test_a_closed_port_is_told_in_words(check: str, closed_port: int) -> None:
    assert "Error" in str(CHECKS[check](closed_port))


@pytest.mark.parametrize("check", CHECKS)
def test_an_accept_is_not_health_and_the_wait_is_bounded(check: str, silent_port: int) -> None:
    began_s = time.perf_counter()
    assert "Time" in str(CHECKS[check](silent_port))
    assert time.perf_counter() - began_s < 3.0


def test_http_wants_a_200() -> None:
    with serving(lambda _method, path, _body: (200 if path == "/health" else 503, {"broken": "pool"})) as server:
        assert http_health(f"{server.url}/health") is None
        assert http_health(f"{server.url}/ready") == 'status 503: {"broken": "pool"}'
        server.stall()
        assert "ReadTimeout" in str(http_health(f"{server.url}/health", timeout_s=TIMEOUT_S))


def test_postgres_wants_an_answer_to_a_query(postgres_dsn: str) -> None:
    assert postgres_health(postgres_dsn) is None
    assert "InvalidPassword" in str(postgres_health(postgres_dsn.replace("only-the-tests", "wrong")))
    assert "InvalidCatalogName" in str(postgres_health(postgres_dsn.replace("/postgres", "/nowhere")))


def test_redis_wants_a_pong(redis_child: tuple[subprocess.Popen[bytes], int]) -> None:
    child, port = redis_child
    assert redis_health("127.0.0.1", port) is None
    process = psutil.Process(child.pid)
    process.suspend()
    assert "Timeout" in str(redis_health("127.0.0.1", port, timeout_s=TIMEOUT_S))
    process.resume()
    assert redis_health("127.0.0.1", port) is None


def proxy(*, enabled: bool = True, toxics: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"enabled": enabled, "toxics": [{"name": name} for name in toxics]}


@pytest.mark.parametrize(
    ("proxies", "seen"),
    [
        ({"a": proxy(), "b": proxy()}, None),
        ({"a": proxy(), "b": proxy(), "c": proxy()}, None),
        ({"a": proxy()}, "proxies not created: b"),
        ({}, "proxies not created: a, b"),
        ({"a": proxy(enabled=False), "b": proxy()}, "disabled: ['a'], toxics on: []"),
        ({"a": proxy(toxics=("latency",)), "b": proxy()}, "disabled: [], toxics on: ['a']"),
        ({"a": proxy(), "b": proxy(), "c": proxy(enabled=False)}, "disabled: ['c'], toxics on: []"),
    ],
)
def test_toxiproxy_wants_its_proxies_whole(proxies: dict[str, Any], seen: str | None) -> None:
    with serving(lambda _method, path, _body: (200 if path == "/proxies" else 404, proxies)) as server:
        assert toxiproxy_health(server.url, ["a", "b"]) == seen


def test_toxiproxy_that_is_wedged_is_told() -> None:
    with serving(lambda _method, path, _body: (500 if path == "/proxies" else 200, {})) as server:
        assert "500" in str(toxiproxy_health(server.url))
