"""The driver against a real Toxiproxy before a real Redis, and against servers that lie, fail or hang."""

from __future__ import annotations

import dataclasses
import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.canary.canary import Canary
from chaos.direction import Stream
from chaos.faults.links import toxiproxy
from chaos.faults.links.server import ProcessRestart, restart_from
from chaos.faults.links.toxics import Bandwidth, Latency, LimitData, Noop, ResetPeer, Slicer, SlowClose, Timeout
from chaos.faults.links.toxiproxy import Proxy, ToxiproxyLink
from chaos.faults.ranges import hints_of, range_of
from chaos.observed import Observed, State
from chaos.targets import Toxic
from harness.errors import ChaosError, InjectionFailed
from harness.identity import ProcessId
from harness.wait import comes_true
from tests.chaos.conftest import Serve, StartToxiproxy, Toxiproxy
from tests.chaos.past_the_driver import live, proxy_to
from tests.chaos.stalls import abandon

RTT_S = 0.2
# Nothing but a wait for a limit takes this long here.
SOON_S = 2.0


def link_to(server: Toxiproxy, name: str = "redis") -> ToxiproxyLink:
    return ToxiproxyLink("127.0.0.1", server.port, name, Canary("127.0.0.1", server.doors.get(name, 1), "redis", 5.0))


@pytest.fixture
def link(server: Toxiproxy) -> ToxiproxyLink:
    return link_to(server)


def quickest(link: ToxiproxyLink) -> Observed:
    """Look a few times: a busy machine makes a round trip longer, and nothing makes it shorter."""
    return min((link.observe() for _ in range(5)), key=lambda observed: observed.took_s)


@pytest.mark.parametrize(
    ("toxic", "attributes"),
    [
        (Latency(0.1), {"latency_s": 0.1, "jitter_s": 0.0}),
        (Bandwidth(12_400), {"bytes_per_s": 12_000}),
        (SlowClose(0.25), {"delay_s": 0.25}),
        (Timeout(0), {"timeout_s": 0.0}),
        (Timeout(1.5), {"timeout_s": 1.5}),
        (ResetPeer(0.5), {"timeout_s": 0.5}),
        (ResetPeer(toxicity=0), {"timeout_s": 0.0}),
        (Slicer(64, 0.0005), {"size_bytes": 64, "variation_bytes": 0, "delay_s": 0.0005}),
        (LimitData(1 << 33), {"limit_bytes": 1 << 33}),
        (Noop(), {}),
    ],
    ids=lambda value: value.kind if hasattr(value, "kind") else "",
)
@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_every_toxic_is_put_on_either_direction_and_read_back_in_si_units(
    toxic: Any, attributes: Mapping[str, float], stream: Stream, link: ToxiproxyLink
) -> None:
    link.add("n", dataclasses.replace(toxic, stream=stream))
    assert link.state().toxics == {"n": (toxic.kind, stream, attributes)}
    link.remove("n")
    assert link.state().whole


@given(st.sampled_from([Noop, Latency, Bandwidth, SlowClose, Timeout, ResetPeer, Slicer, LimitData]), st.data())
def test_what_reaches_the_server_is_never_the_zero_that_means_something_else(
    kind: type[Any], data: st.DataObject
) -> None:
    spans = {name: span for name, hint in hints_of(kind) if (span := range_of(hint))}
    values = {
        name: st.integers(int(span.least) or 1, int(span.most))
        if name.endswith("_bytes")
        else st.floats(span.least, span.most)
        for name, span in spans.items()
    }
    toxic = kind(**{name: data.draw(drawn) for name, drawn in values.items()})
    there = toxiproxy._to_server(toxic)
    assert all(isinstance(value, int) for value in there.values())
    back = toxiproxy._from_server(toxic.kind, there)
    assert set(back) == set(toxic.attributes)
    for name, value in toxic.attributes.items():
        unit = 1000 if name == "bytes_per_s" else 1e-6 if kind is Slicer else 0.001 if name.endswith("_s") else 1
        assert abs(back[name] - value) <= 0.5 * unit * (1 + 1e-9) + abs(value) * 1e-12
        # No wait of a latency or between pieces is none; anywhere else it would be for ever, or no limit.
        if name not in {"latency_s", "delay_s"}:
            assert (back[name] == 0) == (value == 0)


def test_a_toxic_is_changed_in_place(link: ToxiproxyLink) -> None:
    link.add("n", Latency(0.5, "upstream"))
    link.update("n", Latency(0.1, "upstream"))
    assert link.state().toxics == {"n": ("latency", "upstream", {"latency_s": 0.1, "jitter_s": 0.0})}
    assert 0.1 <= quickest(link).took_s < 0.5


@pytest.mark.parametrize("toxic", [Latency(60.0), Bandwidth(1000), Slicer(500, 0.9)], ids=lambda toxic: toxic.kind)
def test_a_toxic_that_holds_back_what_nobody_waits_for_is_taken_off_at_once(server: Toxiproxy, toxic: Toxic) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, proxy_to(server, listener) as door:
        proxy = Proxy("127.0.0.1", server.port, "own", limit_s=3.0)
        proxy.add("n", toxic)
        for _ in range(3):
            abandon(listener, door)
        # Below the 5 s that each piece would take otherwise.
        proxy.remove("n")
        assert proxy.state().whole


def test_a_rate_is_raised_under_callers_that_have_gone_and_the_server_lives(server: Toxiproxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, proxy_to(server, listener) as door:
        proxy = Proxy("127.0.0.1", server.port, "own", limit_s=3.0)
        proxy.add("n", Bandwidth(1000))
        for _ in range(3):
            abandon(listener, door)
        proxy.update("n", Bandwidth(1e9))
        # Longer than a piece of the old rate waits.
        assert not comes_true(lambda: not proxy.lists_in_time(), limit_s=0.5)
        proxy.remove("n")
        assert proxy.state().whole


def test_what_is_not_there_or_is_another_is_not_changed(link: ToxiproxyLink) -> None:
    with pytest.raises(InjectionFailed, match="redis: toxic n not changed"):
        link.update("n", Latency(0.1))
    link.add("n", Latency(0.1, "upstream"))
    with pytest.raises(InjectionFailed, match=r"redis: toxic n: asked for .* the server has "):
        link.update("n", Latency(0.2, "downstream"))


def test_a_proxy_is_made_anew_where_it_was(link: ToxiproxyLink, server: Toxiproxy) -> None:
    link.add("n", Latency(0.5))
    with live(server) as connection:
        link.make_anew(*link.ends())
        assert connection.recv(1) == b""
    assert link.state().whole
    assert link.observe().state is State.ANSWERED


def test_its_place_is_all_that_a_step_needs_and_safe_to_write_down(server: Toxiproxy) -> None:
    restart = ProcessRestart(ProcessId(1, 2.0), ("server",), "/folder", "/log")
    canary = Canary("127.0.0.1", server.doors["redis"], "redis")
    link = ToxiproxyLink("127.0.0.1", server.port, "redis", canary, restart=restart)
    place = json.loads(json.dumps(dict(link.place)))
    assert place["api"] == f"127.0.0.1:{server.port}"
    assert (place["proxy"], place["listen"]) == ("redis", f"127.0.0.1:{server.doors['redis']}")
    assert restart_from(place["restart"]) == ProcessRestart(ProcessId(1, 2.0), ["server"], "/folder", "/log")
    assert "restart" not in link_to(server).place


def test_two_servers_in_one_process_do_not_meet(server: Toxiproxy, start_toxiproxy: StartToxiproxy) -> None:
    with start_toxiproxy('[{"name": "redis", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}]') as other:
        one = Proxy("127.0.0.1", server.port, "redis")
        two = Proxy("127.0.0.1", other.port, "redis")
        one.add("n", Noop())
        assert two.state().whole
        assert not one.state().whole


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
        [toxic(toxicity=0.5)],
    ],
    ids=["nothing", "value", "attribute missing", "stream", "type", "name", "toxicity"],
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
