"""What may be planted, and that each defect does its harm: a twin that harms nothing would prove nothing."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.root import ROOT
from harness.wait import wait_until
from infra.services.defects import DEFECTS, Planted, main, parse_defects
from infra.services.heap import heap_reader
from tests.infra.services.rig import MakeApi, Program, Service

INFRA = ROOT / "infra"
BODY = {"account": "ada", "amount": 5}


def test_none_are_planted_by_default() -> None:
    planted = Planted(parse_defects(""))
    assert not any(planted.has(name) or planted.number(name) or planted.strikes(name) for name in DEFECTS)


def test_names_numbers_and_defaults() -> None:
    assert dict(parse_defects("leak_memory:4096, lost_write ,no_jitter")) == {
        "leak_memory": 4096,
        "lost_write": DEFECTS["lost_write"].default,
        "no_jitter": 0,
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("leak_momory", "no defect 'leak_momory'; one of leak_memory, leak_fd,"),
        ("leak_fd:0", "leak_fd takes a whole number from 1"),
        ("leak_fd:", "leak_fd takes a whole number from 1"),
        ("leak_fd:-3", "leak_fd takes a whole number from 1"),
        ("leak_fd:1e3", "leak_fd takes a whole number from 1"),
        ("leak_fd:\u0663", "leak_fd takes a whole number from 1"),
        ("leak_fd:99999999999", "leak_fd takes a whole number from 1"),
        ("no_jitter:1", "no_jitter takes no number"),
        ("leak_fd,leak_fd:2", "leak_fd is given twice"),
    ],
)
def test_anything_else_is_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as refused:
        parse_defects(text)
    assert "\n" not in str(refused.value)


@given(st.text())
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        chosen = parse_defects(text)
    except ValueError:
        return
    assert set(chosen) <= set(DEFECTS)


@given(st.integers(1, 20), st.integers(0, 100))
def test_it_strikes_at_every_nth_chance(every: int, chances: int) -> None:
    planted = Planted({"leak_fd": every})
    assert [planted.strikes("leak_fd") for _ in range(chances)] == [n % every == 0 for n in range(1, chances + 1)]


def test_the_command_lists_what_can_be_planted() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "services.defects"], cwd=INFRA, capture_output=True, text=True, check=True
    )
    assert listed.stderr == ""
    rows = [line.split("\t") for line in listed.stdout.splitlines()]
    assert [dict(parse_defects(text)) for text, _ in rows] == [{d.name: d.default or 0} for d in DEFECTS.values()]


@pytest.fixture(scope="module")
def sick(make_api: MakeApi) -> Service:
    """Start one api with every defect that leaves it able to serve."""
    return make_api(HW_DEFECTS="leak_memory:100000,leak_fd:1,lost_write:2,foreign_reply:2")


def growth(api: Service, metric: str, requests: int) -> float:
    with api.client() as client:
        for _ in range(50):
            client.post("/rpc", json={"jsonrpc": "2.0", "method": "echo", "id": 1})
        before = api.metric(metric)
        for _ in range(requests):
            client.post("/rpc", json={"jsonrpc": "2.0", "method": "echo", "id": 1})
        return float(api.metric(metric) - before)


def test_leak_memory(sick: Service, api: Service) -> None:
    assert growth(sick, "process_resident_memory_bytes", 200) > 18e6
    assert growth(api, "process_resident_memory_bytes", 200) < 2e6


@pytest.mark.skipif(heap_reader() is None, reason="the C library does not tell")
def test_the_heap_shows_a_leak_more_clearly(sick: Service, api: Service) -> None:
    assert 19e6 < growth(sick, "hw_heap_bytes", 200) < 21e6
    assert abs(growth(api, "hw_heap_bytes", 200)) < 1e6


def test_leak_fd(sick: Service, api: Service) -> None:
    assert growth(sick, "process_open_fds", 50) >= 45
    assert growth(api, "process_open_fds", 50) <= 5


def test_lost_write(sick: Service, api: Service) -> None:
    def lost(service: Service, name: str) -> list[bool]:
        with service.client() as client:
            keys = [f"{name}-{n}" for n in range(6)]
            for key in keys:
                assert client.post("/ledger", json=BODY, headers={"Idempotency-Key": key}).status_code == 201
            return [client.get(f"/ledger/{key}").status_code == 404 for key in keys]

    assert lost(sick, "sick") == [False, True] * 3
    assert not any(lost(api, "well"))


def test_foreign_reply(sick: Service, api: Service) -> None:
    def foreign(service: Service) -> list[bool]:
        with service.client() as client:
            for key in ("one", "two"):
                client.put(f"/cache/{key}", json={"version": 1, "writer": "w", "value": key})
            asked = ["one", "two"] * 4
            return [client.get(f"/cache/{key}").json()["key"] != key for key in asked]

    assert sum(foreign(sick)) >= 3
    assert not any(foreign(api))


def test_leak_connection(make_api: MakeApi) -> None:
    api = make_api(HW_DEFECTS="leak_connection:2", HW_POOL_MIN="1", HW_POOL_MAX="2")
    with api.client() as client:
        statuses = [client.get("/ledger/x").status_code for _ in range(4)]
    assert statuses[0] == 404
    assert statuses[-1] == 503
    assert api.metric('hw_pool_idle{pool="postgres"}') == 0


def test_breaker_stuck_open(make_api: MakeApi, redis_server: tuple[Program, str]) -> None:
    api = make_api(HW_DEFECTS="breaker_stuck_open")
    with api.client() as client:
        redis_server[0].stop()
        try:
            assert [client.get("/cache/k").status_code for _ in range(6)] == [503] * 6
        finally:
            redis_server[0].start()
        wait_until("ready", lambda: None if client.get("/ready").status_code == 200 else "not", limit_s=10)
        shed = 0

        def window_is_long_over() -> str | None:
            nonlocal shed
            shed += client.get("/cache/k").status_code == 503
            return None if time.perf_counter() - began_s > 1.0 else "waiting"

        began_s = time.perf_counter()
        wait_until("four windows", window_is_long_over, limit_s=5)
        assert client.get("/cache/k").json()["error"] == "redis: circuit breaker open"
        assert shed > 10


def attempts_s(make_api: MakeApi, count: int, **environment: str) -> list[float]:
    """Return when api tried to reach a database that hangs up at once, in seconds since its first try."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        port = server.getsockname()[1]
        seen: list[float] = []

        def hang_up() -> None:
            for _ in range(count):
                wire, _ = server.accept()
                seen.append(time.perf_counter())
                wire.close()

        listening = Thread(target=hang_up)
        listening.start()
        dsn = f"postgresql://ada@127.0.0.1:{port}/none?sslmode=disable"
        api = make_api(ready=False, HW_POSTGRES_DSN=dsn, **environment)
        listening.join(10)
        api.stop()
    return [then - seen[0] for then in seen]


def test_no_jitter(make_api: MakeApi) -> None:
    nominal = [0.05, 0.1, 0.2, 0.4]

    def gaps(**environment: str) -> list[float]:
        times = attempts_s(make_api, len(nominal) + 1, **environment)
        return [later - earlier for earlier, later in pairwise(times)]

    # Seen from outside a delay is never shorter than it was, only longer by the connecting.
    assert all(gap >= delay - 0.005 for gap, delay in zip(gaps(HW_DEFECTS="no_jitter"), nominal, strict=True))
    assert any(gap < delay - 0.005 for gap, delay in zip(gaps(), nominal, strict=True))


def test_each_has_a_test_here_or_beside_the_check_that_finds_it() -> None:
    here = Path(__file__)
    tests = "".join(path.read_text(encoding="utf-8") for path in (here, here.with_name("test_defects_found.py")))
    # The two of messages are parameters of one test.
    assert not [name for name in DEFECTS if f"def test_{name}(" not in tests and f'("{name}", ' not in tests]


def test_the_command_checks_what_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["leak_memory:4096", "lost_write"]) == 0
    assert main(["leek_memory"]) == 2
    assert "no defect 'leek_memory'; one of leak_memory" in capsys.readouterr().err
