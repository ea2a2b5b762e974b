from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from harness.probes.health import http_health
from harness.wait import wait_until
from tests.infra.services.rig import MakeApi, Program, Service

RECOVERY_S = 2.0
KEY = {"Idempotency-Key": "hostile"}
LONG = "x" * 201


def test_health_metrics_and_errors_are_what_they_say(api: Service) -> None:
    with api.client() as client:
        assert client.get("/health").json() == {"alive": True}
        assert client.get("/ready").json() == {"ready": True, "failing": {}}
        assert client.get("/nowhere").json() == {"error": "Not Found"}
        assert client.delete("/rpc").status_code == 405
        text = client.get("/metrics").text
    names = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert {
        "hw_pool_size", "hw_pool_idle", "hw_pool_max", "hw_pool_waiting", "hw_breaker_state", "hw_breaker_opened_total",
        "hw_sessions", "hw_tasks", "hw_cache_bytes", "hw_allocated_blocks", "hw_gc_pause_seconds",
        "python_gc_collections_total",
    } <= names  # fmt: skip
    assert api.metric('hw_pool_size{pool="postgres"}') >= 5


@pytest.mark.parametrize(
    ("method", "path", "request_"),
    [
        ("POST", "/rpc", {"content": b"\xff\x00"}),
        ("POST", "/rpc", {"content": b"[" * 200_000}),
        ("POST", "/ledger", {"json": {"account": "a", "amount": 1}}),
        ("POST", "/ledger", {"json": {"account": "a", "amount": 1}, "headers": {"Idempotency-Key": LONG}}),
        ("POST", "/ledger", {"json": {"account": "a", "amount": 1}, "headers": {"Idempotency-Key": b"\xe9"}}),
        ("POST", "/ledger", {"json": {"account": "a", "amount": 2**63}, "headers": KEY}),
        ("POST", "/ledger", {"json": {"account": "a", "amount": 1.5}, "headers": KEY}),
        ("POST", "/ledger", {"json": {"account": "a", "amount": True}, "headers": KEY}),
        ("POST", "/ledger", {"json": {"account": "", "amount": 1}, "headers": KEY}),
        ("POST", "/ledger", {"json": {"account": LONG, "amount": 1}, "headers": KEY}),
        ("POST", "/ledger", {"content": b'{"account": "a\\u0000", "amount": 1}', "headers": KEY}),
        ("POST", "/ledger", {"content": b'{"account": "\\ud800", "amount": 1}', "headers": KEY}),
        ("POST", "/ledger", {"content": b'{"account": "a", "amount": 1', "headers": KEY}),
        ("POST", "/ledger", {"content": b'{"account": "a", "amount": ' + b"9" * 5000 + b"}", "headers": KEY}),
        ("POST", "/ledger", {"json": {"account": "a", "amount": 1, "more": 1}, "headers": KEY}),
        ("POST", "/ledger", {"json": ["account"], "headers": KEY}),
        ("GET", "/ledger/%00", {}),
        ("GET", f"/ledger/{LONG}", {}),
        ("PUT", "/cache/k", {"json": {"version": "1", "writer": "w", "value": "v"}}),
        ("PUT", "/cache/k", {"content": b""}),
        ("PUT", "/cache/", {"json": {"version": 1, "writer": "w", "value": "v"}}),
        ("PUT", "/cache/%ED%A0%80%00", {"json": {"version": 1, "writer": "w", "value": "v"}}),
        ("GET", "/stream?events=0", {}),
        ("GET", "/stream?events=nan", {}),
        ("GET", "/stream?events=1e9", {}),
        ("POST", "/publish/no%20spaces", {"json": {"data": 1}}),
        ("POST", "/publish/c", {"json": {"data": "x" * 2**21}}),
        ("PUT", "/cache/k", {"content": b"x" * (32 * 2**20 + 1)}),
    ],
)
def test_bad_input_is_a_4xx_with_a_reason(api: Service, method: str, path: str, request_: dict[str, Any]) -> None:
    with api.client() as client:
        reply = client.request(method, path, **request_)
    assert 400 <= reply.status_code < 500, reply.text
    assert reply.json()["error"]


def test_raw_garbage_is_a_400(api: Service) -> None:
    with socket.create_connection(("127.0.0.1", httpx.URL(api.url).port), timeout=5) as wire:
        wire.sendall(b"\x16\x03\x01 not http at all\r\n\r\n")
        assert b" 400 " in wire.recv(1000)


def test_a_stream_has_its_events_in_order(api: Service) -> None:
    with api.client() as client:
        reply = client.get("/stream?events=250")
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert [int(n) for n in re.findall(r"^id: (\d+)$", reply.text, re.MULTILINE)] == list(range(1, 251))
    assert re.findall(r"^event: (\w+)$", reply.text, re.MULTILINE) == ["tick"] * 250 + ["end"]


def test_agents_are_bounded_and_counted_and_end(api: Service) -> None:
    with api.client() as client:
        statuses = [client.post("/agents").status_code for _ in range(110)]
        assert api.metric("hw_tasks") > 50
    assert statuses.count(202) >= 100
    assert set(statuses) <= {202, 503}
    wait_until("agents done", lambda: None if api.metric("hw_tasks") == 0 else "still at work", limit_s=5)


@pytest.mark.parametrize("absent", ["redis", "postgres"])
def test_it_starts_without_a_dependency_and_finds_it_later(
    make_api: MakeApi, postgres: tuple[Program, str], redis_server: tuple[Program, str], absent: str
) -> None:
    server = {"redis": redis_server, "postgres": postgres}[absent][0]
    server.stop()
    try:
        api = make_api(ready=False)
        with api.client() as client:
            reply = client.get("/ready")
            assert (reply.status_code, list(reply.json()["failing"])) == (503, [absent])
            path = {"redis": "/cache/k", "postgres": "/ledger/k"}[absent]
            shed = client.get(path)
            assert (shed.status_code, shed.headers["retry-after"]) == (503, "1")
            assert absent in shed.json()["error"]
    finally:
        server.start()
    assert wait_until("api ready", lambda: http_health(f"{api.url}/ready"), limit_s=10) < RECOVERY_S


def test_it_loses_a_database_and_gets_it_back(api: Service, postgres: tuple[Program, str]) -> None:
    postgres[0].stop()
    with api.client() as client:
        began_s = time.perf_counter()
        assert client.get("/ledger/k").status_code == 503
        assert time.perf_counter() - began_s < 1.5
        postgres[0].start()

        def answers() -> str | None:
            status = client.get("/ledger/k").status_code
            return None if status == 404 else str(status)

        assert wait_until("ledger", answers, limit_s=10) < RECOVERY_S
    size = 'hw_pool_size{pool="postgres"}'
    assert wait_until("floor", lambda: None if api.metric(size) >= 5 else "below", limit_s=10) < RECOVERY_S


def test_it_ends_soon_with_sessions_open(make_api: MakeApi) -> None:
    api = make_api()
    with connect(f"{api.url.replace('http', 'ws')}/ws") as session:
        session.send('{"type":"ping"}')
        session.recv(timeout=5)
        process = api.process
        assert process is not None
        began_s = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        assert time.perf_counter() - began_s < 3.0
    assert "Traceback" not in api.log.read_text()


def test_a_bad_setting_is_one_line_and_code_2(api: Service) -> None:
    ended = subprocess.run(
        api.command, cwd=api.cwd, env={"HW_PORT": "none"}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "HW_PORT" in ended.stderr
