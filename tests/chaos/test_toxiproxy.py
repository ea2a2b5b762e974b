"""The driver against a real Toxiproxy before a real Redis, and against servers that lie, fail or hang.

Tests named by a row (P6, P7, ...) are of the server alone: they hold what the
driver was built on, so that an upgrade which changes one is seen.
"""

from __future__ import annotations

import http.server
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import httpx
import pytest

from chaos.canary import Canary, Seen, Sight
from chaos.conductor import Conductor
from chaos.faults import DownFault, Fault, LatencyFault
from chaos.timeline import At, expand
from chaos.toxics import Latency, Noop
from chaos.toxiproxy import ToxiproxyLink
from harness.clock import RealClock
from harness.errors import ChaosError, InjectionFailed
from harness.probes.health import toxiproxy_health
from tests.chaos.conftest import Serve, StartToxiproxy, Toxiproxy

RTT_S = 0.2
# Nothing but a wait for a limit takes this long here.
SOON_S = 2.0


def link_to(server: Toxiproxy, name: str = "redis") -> ToxiproxyLink:
    return ToxiproxyLink("127.0.0.1", server.port, name, Canary("127.0.0.1", server.doors.get(name, 1), "redis", 5.0))


@pytest.fixture
def link(server: Toxiproxy) -> ToxiproxyLink:
    return link_to(server)


def quickest(link: ToxiproxyLink) -> Sight:
    """Look a few times: a busy machine makes a round trip longer, and nothing makes it shorter."""
    return min((link.look() for _ in range(5)), key=lambda sight: sight.took_s)


def post_toxic(server: Toxiproxy, **fields: object) -> httpx.Response:
    """Add a toxic past the driver, as anybody might."""
    return httpx.post(f"{server.url}/proxies/redis/toxics", json=fields, trust_env=False)


def test_latency_is_felt_by_a_canary_and_gone_after_its_undoing(link: ToxiproxyLink) -> None:
    fault = LatencyFault("redis", RTT_S)
    before = quickest(link)
    fault.inject(link)
    during = quickest(link)
    assert during.seen is Seen.ANSWERED
    assert RTT_S <= during.took_s < 2 * RTT_S
    assert fault.doubt(before, during) is None
    fault.undo(link)
    assert link.state().whole
    assert quickest(link).took_s < RTT_S / 2


def test_latency_is_read_back_in_si_units(link: ToxiproxyLink) -> None:
    LatencyFault("redis", RTT_S).inject(link)
    attributes = {"latency_s": RTT_S / 2, "jitter_s": 0.0}
    assert link.state().toxics == {
        "latency_up": ("latency", "upstream", attributes),
        "latency_down": ("latency", "downstream", attributes),
    }


def test_down_refuses_new_connections_ends_live_ones_and_is_gone_after_its_undoing(
    link: ToxiproxyLink, server: Toxiproxy
) -> None:
    fault = DownFault("redis")
    with live(server) as connection:
        fault.inject(link)
        assert connection.recv(1) == b""
    assert link.look().seen is Seen.REFUSED
    assert not link.state().enabled
    fault.undo(link)
    assert link.state().whole
    assert link.look().seen is Seen.ANSWERED


@pytest.mark.parametrize("fault", [LatencyFault("redis", RTT_S), DownFault("redis")], ids=lambda fault: fault.kind)
def test_undoing_is_harmless_twice_and_on_a_whole_link(fault: Fault, link: ToxiproxyLink) -> None:
    fault.undo(link)
    fault.inject(link)
    fault.undo(link)
    fault.undo(link)
    assert link.state().whole


def test_the_control_changes_nothing_that_a_canary_could_feel(link: ToxiproxyLink) -> None:
    link.add("control", Noop())
    assert link.state().toxics == {"control": ("noop", "downstream", {})}
    assert quickest(link).took_s < RTT_S / 2


def test_removing_an_absent_toxic_is_harmless(link: ToxiproxyLink) -> None:
    link.remove("never_added")
    assert link.state().whole


def test_a_toxic_of_the_same_name_is_not_taken_for_ours(link: ToxiproxyLink) -> None:
    link.add("latency_up", Latency(0.5, "upstream"))
    with pytest.raises(InjectionFailed, match="redis: toxic latency_up not added"):
        link.add("latency_up", Latency(0.1, "upstream"))


def test_an_unknown_proxy_is_named(server: Toxiproxy) -> None:
    link = link_to(server, "api_postgres")
    for act in (link.state, lambda: link.remove("x"), lambda: link.set_enabled(False), lambda: link.add("x", Noop())):
        with pytest.raises(ChaosError, match=r"^api_postgres: the Toxiproxy server has no such proxy"):
            act()


def nothing(*_: object, **__: object) -> None:
    """Take the place of what this room's tests do not look at."""


def test_a_conductor_proves_and_heals_on_a_real_proxy(link: ToxiproxyLink) -> None:
    clock = RealClock()
    epoch_s = clock.now_s()
    conductor = Conductor(
        {"redis": link}, clock=clock, now_s=lambda: clock.now_s() - epoch_s, note=nothing, alive=nothing
    )
    entries = [At(0.0, 0.5, LatencyFault("redis", RTT_S)), At(0.5, 0.3, DownFault("redis"))]
    conductor.play(expand(entries, time_scale=1.0), start_s=0.0)
    for window in conductor.windows.values():
        assert window.note == ""
        assert window.proved_s is not None
        assert window.healed_s is not None
    assert link.state().whole


def test_requests_carry_our_name_and_the_token(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOXIPROXY_AUTH_TOKEN", "a token of the tests")
    heard: list[bytes] = []
    port = serve(lambda connection: heard.append(connection.recv(4096)))
    with pytest.raises(ChaosError):
        ToxiproxyLink("127.0.0.1", port, "redis", Canary("127.0.0.1", 1, "redis")).state()
    assert b"Authorization: Bearer a token of the tests\r\n" in heard[0]
    assert b"User-Agent: heavyweather\r\n" in heard[0]


def test_a_proxy_of_the_environment_is_not_asked(server: Toxiproxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert link_to(server).state().whole


# A server that is not as it should be


Answer = tuple[int, object]
Liar = Callable[[Mapping[str, Answer]], ToxiproxyLink]
WHOLE = {"redis": {"name": "redis", "listen": "x", "upstream": "y", "enabled": True, "toxics": []}}


@pytest.fixture
def liar() -> Iterator[Liar]:
    """Start a server that gives the answers it is told to: "METHOD path" to (status, JSON); 200 {} to the rest."""
    answers: dict[str, Answer] = {}

    class Scripted(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = answers.get(f"{self.command} {self.path}", (200, {}))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        do_POST = do_DELETE = do_GET  # noqa: N815 - the base class looks for these

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    def told(script: Mapping[str, Answer]) -> ToxiproxyLink:
        answers.update({"GET /proxies": (200, WHOLE), "GET /proxies/redis/toxics": (200, []), **script})
        return ToxiproxyLink("127.0.0.1", server.server_port, "redis", Canary("127.0.0.1", 1, "redis"), limit_s=5.0)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scripted) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield told
        server.shutdown()


def toxic(**changes: object) -> dict[str, object]:
    attributes = {"latency": 100, "jitter": 0}
    return {"name": "n", "type": "latency", "stream": "upstream", "toxicity": 1, "attributes": attributes, **changes}


@pytest.mark.parametrize(
    "found",
    [
        [],
        [toxic(attributes={"latency": 99, "jitter": 0})],
        [toxic(attributes={"latency": 100})],
        [toxic(stream="downstream")],
        [toxic(type="noop")],
        [toxic(name="other")],
    ],
    ids=["nothing", "value", "attribute missing", "stream", "type", "name"],
)
def test_a_toxic_that_reads_back_otherwise_is_not_injected(liar: Liar, found: object) -> None:
    link = liar({"GET /proxies/redis/toxics": (200, found)})
    with pytest.raises(InjectionFailed, match=r"redis: toxic n: asked for .* the server has "):
        link.add("n", Latency(0.1, "upstream"))


def test_a_toxic_that_reads_back_as_asked_is_injected(liar: Liar) -> None:
    liar({"GET /proxies/redis/toxics": (200, [toxic()])}).add("n", Latency(0.1, "upstream"))


def test_a_removal_or_a_switch_without_effect_is_found_out(liar: Liar) -> None:
    link = liar({"GET /proxies/redis/toxics": (200, [toxic()])})
    with pytest.raises(ChaosError, match="toxic n was removed and is still there"):
        link.remove("n")
    with pytest.raises(ChaosError, match="asked for enabled=False, the server has the opposite"):
        link.set_enabled(False)


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_an_error_is_never_taken_for_an_answer(liar: Liar, status: int) -> None:
    bad = (status, {"error": "no", "status": status})
    toxics, proxy = "/proxies/redis/toxics", "/proxies/redis"
    link = liar({f"POST {toxics}": bad, f"DELETE {toxics}/n": bad, f"POST {proxy}": bad, f"GET {toxics}": bad})
    with pytest.raises(InjectionFailed, match=f"status {status}"):
        link.add("n", Noop())
    for act in (lambda: link.remove("n"), lambda: link.set_enabled(True), link.state):
        with pytest.raises(ChaosError, match=f"status {status}"):
            act()
    with pytest.raises(ChaosError, match=f"status {status}"):
        liar({"GET /proxies": bad}).state()


def test_a_server_that_hangs_is_given_up_at_the_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        canary = Canary("127.0.0.1", 1, "redis")
        link = ToxiproxyLink("127.0.0.1", silent.getsockname()[1], "redis", canary, limit_s=0.1)
        began_s = time.perf_counter()
        for act in (
            link.state,
            lambda: link.remove("n"),
            lambda: link.set_enabled(True),
            lambda: link.add("n", Noop()),
        ):
            with pytest.raises(ChaosError, match="timed out"):
                act()
    assert time.perf_counter() - began_s < SOON_S


def test_a_server_that_is_gone_is_told(liar: Liar) -> None:
    del liar
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(ChaosError, match="redis: its state cannot be read"):
        ToxiproxyLink("127.0.0.1", port, "redis", Canary("127.0.0.1", 1, "redis")).state()


# What the driver was built on


def live(server: Toxiproxy, name: str = "redis") -> socket.socket:
    """Return a connection that has been served, and so is live on both sides of the proxy."""
    connection = socket.create_connection(("127.0.0.1", server.doors[name]), timeout=5.0)
    connection.sendall(b"PING\r\n")
    assert connection.recv(7) == b"+PONG\r\n"
    return connection


def test_p6_disabling_ends_live_connections_with_fin_and_refuses_new_ones(server: Toxiproxy) -> None:
    with live(server) as busy, live(server) as idle:
        httpx.post(f"{server.url}/proxies/redis", json={"enabled": False}, trust_env=False).raise_for_status()
        # An end of stream, where a reset would raise.
        assert (busy.recv(1), idle.recv(1)) == (b"", b"")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.doors["redis"]), timeout=5.0)


def test_p7_connecting_is_never_delayed_by_latency(server: Toxiproxy) -> None:
    assert post_toxic(server, type="latency", stream="upstream", attributes={"latency": 3000}).is_success
    assert post_toxic(server, type="latency", stream="downstream", attributes={"latency": 3000}).is_success
    began_s = time.perf_counter()
    with socket.create_connection(("127.0.0.1", server.doors["redis"]), timeout=5.0):
        assert time.perf_counter() - began_s < 1.0


def test_p7_with_its_upstream_down_a_proxy_accepts_and_then_ends_the_connection(server: Toxiproxy) -> None:
    with socket.create_connection(("127.0.0.1", server.doors["dead"]), timeout=5.0):
        pass
    assert link_to(server, "dead").look().seen in {Seen.CLOSED, Seen.RESET}


@pytest.mark.parametrize(
    "fields",
    [
        {"attributes": {"latncy": 300}},
        {"attributes": {"latency": -5}},
        {"attributes": {"latency": 0}, "toxicity": 5},
    ],
    ids=["unknown attribute", "negative", "toxicity above 1"],
)
def test_p10_nonsense_is_accepted_with_200_and_has_no_effect(server: Toxiproxy, fields: dict[str, object]) -> None:
    assert post_toxic(server, type="latency", **fields).status_code == 200
    assert quickest(link_to(server)).took_s < RTT_S / 2


def test_p17_latency_is_one_way_and_downstream_unless_told_otherwise(server: Toxiproxy) -> None:
    assert post_toxic(server, type="latency", name="n", attributes={"latency": 200}).json()["stream"] == "downstream"
    assert RTT_S <= quickest(link_to(server)).took_s < 1.8 * RTT_S


@pytest.mark.parametrize(
    "config", ["not json", '[{"name": "taken", "listen": "nowhere:0", "upstream": "127.0.0.1:1"}]']
)
def test_p24_a_bad_configuration_is_only_logged_and_the_server_starts(
    config: str, start_toxiproxy: StartToxiproxy
) -> None:
    with start_toxiproxy(config) as server:
        assert httpx.get(f"{server.url}/version", trust_env=False).is_success
        assert toxiproxy_health(server.url, ["taken"]) == "proxies not created: taken"
        assert re.search(r"error|ERR|Failed", server.log.read_text(encoding="utf-8"))
