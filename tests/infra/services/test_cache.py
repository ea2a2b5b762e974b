from __future__ import annotations

import signal
import time

from harness.wait import wait_until
from tests.infra.services.rig import Program, Service

DOCUMENT = {"version": 3, "writer": "ada", "value": "caf\u00e9 \U0001f600"}
KEYS = ["k", *(f"late-{number}" for number in range(20))]
STATE = 'hw_breaker_state{dependency="redis"}'
OPENED = 'hw_breaker_opened_total{dependency="redis"}'


def test_a_document_comes_back_with_its_key(api: Service) -> None:
    with api.client() as client:
        assert client.put("/cache/a%2Fb", json=DOCUMENT).status_code == 200
        assert client.get("/cache/a%2Fb").json() == {"key": "a/b", **DOCUMENT}
        assert client.get("/cache/never").status_code == 404


def test_large_values_pass(api: Service) -> None:
    document = DOCUMENT | {"value": "x" * 8_000_000}
    with api.client() as client:
        assert client.put("/cache/large", json=document).status_code == 200
        assert client.get("/cache/large").json()["value"] == document["value"]


def test_a_hanging_redis_opens_the_breaker_and_its_return_closes_it(
    api: Service, redis_server: tuple[Program, str]
) -> None:
    opened = api.metric(OPENED)
    with api.client() as client:
        for key in KEYS:
            client.put(f"/cache/{key}", json=DOCUMENT)
        redis_server[0].signal(signal.SIGSTOP)
        try:
            began_s = time.perf_counter()
            replies = api.at_once([f"/cache/late-{n}" for n in range(5)])
            assert [reply.status_code for reply in replies] == [503] * 5
            assert time.perf_counter() - began_s < 1.5
            assert api.metric(OPENED) == opened + 1
            began_s = time.perf_counter()
            shed = client.get("/cache/k")
            # The first call after the window is the probe; at most one of two can be it.
            if time.perf_counter() - began_s > 0.5:
                began_s = time.perf_counter()
                shed = client.get("/cache/k")
            assert time.perf_counter() - began_s < 0.2
            assert (shed.status_code, shed.json()["error"]) == (503, "redis: circuit breaker open")
        finally:
            redis_server[0].signal(signal.SIGCONT)

        def answers() -> str | None:
            reply = client.get("/cache/k")
            return None if reply.status_code == 200 else reply.text

        assert wait_until("cache", answers, limit_s=10) < 2.0
        # Redis has answered the calls that were given up by now: none of their replies may reach these.
        for key in KEYS:
            assert client.get(f"/cache/{key}").json() == {"key": key, **DOCUMENT}
    assert api.metric(STATE) == 0
