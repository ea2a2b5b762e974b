"""What the driver and the faults were built on, of the real server alone, so that an upgrade which changes it is seen.

Each test is a row of the table of facts and asserts it as it is, for better or
worse. Not here: P14 and its way out are in test_wedge.py; P20 is of a toxic
that the server does not have; P22 and P23 are of its image, which the container
stack's own tests start; P18 waits for one second of its six, P13 for one of 25.
"""

from __future__ import annotations

import contextlib
import re
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.probes.health import toxiproxy_health
from harness.wait import wait_until
from infra.ports import free_ports
from tests.chaos.conftest import StartToxiproxy, Toxiproxy
from tests.chaos.past_the_driver import (
    LIMIT_S,
    SOON_S,
    add,
    answering,
    call,
    connect,
    connected,
    is_silent,
    live,
    many,
    ping,
    pinged_s,
    proxy_to,
    remove,
    server_with,
    switch,
    take,
)
from tests.chaos.stalls import abandon, saturated


def test_p1_a_reset_needs_a_reset_peer_that_was_there_first(server: Toxiproxy) -> None:
    with live(server) as earlier:
        assert add(server, "reset_peer", {"timeout": 0}, toxicity=0).is_success
        with live(server) as later:
            switch(server, enabled=False)
            assert earlier.recv(1) == b""
            with pytest.raises(ConnectionResetError):
                later.recv(1)


def test_p2_an_idle_connection_is_never_reset_by_reset_peer(server: Toxiproxy) -> None:
    assert add(server, "reset_peer", {"timeout": 0}).is_success
    with connect(server) as idle, connect(server) as busy:
        busy.sendall(b"PING\r\n")
        with pytest.raises(ConnectionResetError):
            busy.recv(1)
        assert is_silent(idle)


def test_p3_any_reset_peer_turns_an_end_into_a_reset_upstream(server: Toxiproxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, proxy_to(server, listener) as door:
        with connected(listener, door) as (caller, callee):
            caller.close()
            assert callee.recv(1) == b""
        assert add(server, "reset_peer", {"timeout": 0}, proxy="own", toxicity=0).is_success
        with connected(listener, door) as (caller, callee):
            caller.close()
            with pytest.raises(ConnectionResetError):
                callee.recv(1)


def test_p4_taking_timeout_off_ends_every_connection_spared_ones_too(server: Toxiproxy) -> None:
    assert add(server, "timeout", {"timeout": 0}, toxicity=0).is_success
    with live(server) as spared:
        ping(spared)
        assert remove(server, "timeout").is_success
        assert spared.recv(1) == b""


def test_p5_timeout_begins_again_with_each_chunk(server: Toxiproxy) -> None:
    with live(server) as beating, live(server) as silent:
        assert add(server, "timeout", {"timeout": 300}, stream="upstream").is_success
        for _ in range(50):
            beating.sendall(b"PING\r\n")
            if not is_silent(silent, 0.1):
                break
        else:
            pytest.fail("the silent one was not ended")
        assert is_silent(beating, 0.1)


def test_p6_disabling_ends_live_connections_with_fin_and_refuses_new_ones(server: Toxiproxy) -> None:
    with live(server) as busy, live(server) as idle:
        switch(server, enabled=False)
        # An end of stream, where a reset would raise.
        assert (busy.recv(1), idle.recv(1)) == (b"", b"")
        with pytest.raises(ConnectionRefusedError):
            connect(server)


def test_p6_a_timeout_of_zero_still_completes_the_connect(server: Toxiproxy) -> None:
    assert add(server, "timeout", {"timeout": 0}, stream="upstream").is_success
    with connect(server) as connection:
        connection.sendall(b"PING\r\n")
        assert is_silent(connection)


def test_p7_connecting_is_never_delayed_by_latency(server: Toxiproxy) -> None:
    for stream in ("upstream", "downstream"):
        assert add(server, "latency", {"latency": 3000}, name=stream, stream=stream).is_success
    began_s = time.perf_counter()
    with connect(server):
        assert time.perf_counter() - began_s < 1.0


def test_p7_with_its_upstream_down_a_proxy_accepts_and_then_ends_the_connection(server: Toxiproxy) -> None:
    with connect(server, "dead") as connection, contextlib.suppress(ConnectionResetError):
        assert connection.recv(1) == b""


def test_p8_toxicity_is_rolled_once_for_a_connection_and_again_when_a_neighbour_changes(server: Toxiproxy) -> None:
    with many(server, 32) as connections:
        assert add(server, "timeout", {"timeout": 0}, toxicity=0.5).is_success
        spared = answering(connections)
        assert 0 < len(spared) < len(connections)
        left = [connections[number] for number in sorted(spared)]
        assert answering(left) == frozenset(range(len(left)))
        assert add(server, "noop", {}).is_success
        assert len(answering(left)) < len(left)


def test_p9_the_seed_does_nothing(folder: Path, redis_port: int) -> None:
    patterns = set()
    for _ in range(2):
        (door,) = free_ports(1)
        proxies = [{"name": "redis", "listen": f"127.0.0.1:{door}", "upstream": f"127.0.0.1:{redis_port}"}]
        with server_with(folder, proxies, "-seed", "42") as started:
            server = Toxiproxy(started.port, {"redis": door}, started.log)
            with many(server, 32) as connections:
                assert add(server, "timeout", {"timeout": 0}, toxicity=0.5).is_success
                patterns.add(answering(connections))
    assert len(patterns) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"attributes": {"latncy": 300}},
        {"attributes": {"latency": -5}},
        {"attributes": {"latency": 0}, "toxicity": 5},
    ],
    ids=["unknown attribute", "negative", "toxicity above 1"],
)
def test_p10_nonsense_is_accepted_with_200_and_has_no_effect(server: Toxiproxy, fields: dict[str, Any]) -> None:
    assert add(server, "latency", **fields).status_code == 200
    assert pinged_s(server) < SOON_S


def test_p11_populate_ignores_toxics_and_an_existing_proxy_s_state_and_keeps_leftovers(server: Toxiproxy) -> None:
    assert add(server, "latency", {"latency": 300}).is_success
    found = call(server, "GET", "/proxies/redis").json()
    asked = {**{key: found[key] for key in ("name", "listen", "upstream")}, "enabled": False, "toxics": []}
    assert call(server, "POST", "/populate", [asked]).is_success
    after = call(server, "GET", "/proxies").json()
    assert after["redis"]["enabled"]
    assert [toxic["name"] for toxic in after["redis"]["toxics"]] == ["latency"]
    assert "dead" in after


def test_p12_reset_stops_at_the_first_proxy_that_cannot_listen_again(folder: Path) -> None:
    doors = free_ports(8)
    proxies = [{"name": f"p{n}", "listen": f"127.0.0.1:{d}", "upstream": "127.0.0.1:1"} for n, d in enumerate(doors)]
    with server_with(folder, proxies) as server:
        for n in range(1, len(doors)):
            assert add(server, "latency", {"latency": 300}, proxy=f"p{n}").is_success
        switch(server, enabled=False, proxy="p0")
        with socket.create_server(("127.0.0.1", doors[0])):
            statuses = {call(server, "POST", "/reset").status_code for _ in range(3)}
            assert statuses == {500}
        assert not call(server, "GET", "/proxies/p0").json()["enabled"]
        # Its order is by chance, so how many are left toxic is as well; after one it never comes to them all.
        assert call(server, "POST", "/reset").is_success
        assert all(not proxy["toxics"] for proxy in call(server, "GET", "/proxies").json().values())


def test_p13_a_change_to_a_link_whose_reader_stalls_blocks_the_list_of_proxies_but_not_the_version(
    folder: Path,
) -> None:
    (door,) = free_ports(1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = {"name": "redis", "listen": f"127.0.0.1:{door}", "upstream": f"127.0.0.1:{listener.getsockname()[1]}"}
        with server_with(folder, [proxy]) as server, saturated(listener, door):
            changing = threading.Thread(target=lambda: add_in_vain(server))
            changing.start()
            try:
                # The question may overtake the change; one that came after it is not answered.
                wait_until("the change", lambda: answered(server, "/proxies/redis/toxics"), limit_s=LIMIT_S)
                for method, path in (("GET", "/proxies"), ("POST", "/reset")):
                    with pytest.raises(httpx.ReadTimeout):
                        call(server, method, path, limit_s=0.5)
                assert call(server, "GET", "/version").is_success
                # The way out.
                assert call(server, "DELETE", "/proxies/redis").is_success
                assert call(server, "GET", "/proxies").is_success
            finally:
                changing.join()


def answered(server: Toxiproxy, path: str) -> str | None:
    """Return None when a question finds no answer for a second, otherwise the answer."""
    try:
        return call(server, "GET", path, limit_s=1.0).text
    except httpx.ReadTimeout:
        return None


def add_in_vain(server: Toxiproxy) -> None:
    body = {"type": "latency", "attributes": {"latency": 100}}
    with contextlib.suppress(httpx.HTTPError):
        call(server, "POST", "/proxies/redis/toxics", body, limit_s=1.5)


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are limited by the shell")
def test_p15_out_of_descriptors_the_listener_ends_while_it_says_enabled_and_toggling_revives_it(
    folder: Path, redis_port: int
) -> None:
    (door,) = free_ports(1)
    proxies = [{"name": "redis", "listen": f"127.0.0.1:{door}", "upstream": f"127.0.0.1:{redis_port}"}]
    limited = ("/bin/sh", "-c", 'ulimit -n 40; exec "$@"', "sh")
    with server_with(folder, proxies, around=limited) as started, contextlib.ExitStack() as after:
        server = Toxiproxy(started.port, {"redis": door}, started.log)
        # Its own call must not need one more.
        api = after.enter_context(httpx.Client(base_url=server.url, trust_env=False, timeout=LIMIT_S))
        assert api.get("/version").is_success
        for _ in range(40):
            after.enter_context(connect(server))
        assert not serves(server)
        assert api.get("/proxies").json()["redis"]["enabled"]
        for enabled in (False, True):
            assert api.post("/proxies/redis", json={"enabled": enabled}).is_success
        with connect(server) as connection:
            ping(connection)


def serves(server: Toxiproxy) -> bool:
    try:
        with connect(server) as connection:
            connection.settimeout(SOON_S)
            connection.sendall(b"PING\r\n")
            return connection.recv(1) == b"+"
    except OSError:
        return False


def test_p16_half_an_end_is_not_proxied(server: Toxiproxy) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        proxy_to(server, listener) as door,
        connected(listener, door) as (caller, callee),
    ):
        caller.shutdown(socket.SHUT_WR)
        assert callee.recv(1) == b""
        # The callee has not ended its half, yet the caller sees an end.
        assert caller.recv(1) == b""


def test_p17_latency_is_one_way_and_downstream_unless_told_otherwise(server: Toxiproxy) -> None:
    body = {"type": "latency", "attributes": {"latency": 200}}
    assert call(server, "POST", "/proxies/redis/toxics", body).json()["stream"] == "downstream"
    assert 0.2 <= pinged_s(server) < 0.36


def test_p17_bandwidth_is_of_each_connection(server: Toxiproxy) -> None:
    assert add(server, "bandwidth", {"rate": 10}).is_success
    with contextlib.ExitStack() as after:
        connections = [after.enter_context(live(server)) for _ in range(4)]
        began_s = time.perf_counter()
        for connection in connections:
            connection.sendall(b"PING " + b"x" * 2986 + b"\r\n")
        for connection in connections:
            take(connection, 2995)
        # 3 kB each at 10 kB/s each; shared, it would be 1.2 s.
        assert 0.25 < time.perf_counter() - began_s < 0.9


def test_p18_taking_a_waiting_reset_peer_off_blocks_until_it_has_reset(server: Toxiproxy) -> None:
    assert add(server, "reset_peer", {"timeout": 1200}).is_success
    with connect(server) as connection:
        connection.sendall(b"PING\r\n")
        # Only what has arrived is waited for.
        assert is_silent(connection, 0.05)
        with pytest.raises(httpx.ReadTimeout):
            remove(server, "reset_peer", limit_s=0.5)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_p19_bytes_are_counted_only_when_a_connection_ends(folder: Path, redis_port: int) -> None:
    (door,) = free_ports(1)
    proxies = [{"name": "redis", "listen": f"127.0.0.1:{door}", "upstream": f"127.0.0.1:{redis_port}"}]
    with server_with(folder, proxies, "-proxy-metrics") as started:
        server = Toxiproxy(started.port, {"redis": door}, started.log)
        with live(server):
            assert counted_bytes(server) == 0
        ends_s = time.monotonic() + LIMIT_S
        while counted_bytes(server) == 0 and time.monotonic() < ends_s:
            threading.Event().wait(0.02)
        assert counted_bytes(server) >= 6


def counted_bytes(server: Toxiproxy) -> float:
    text = call(server, "GET", "/metrics").text
    return sum(
        float(value) for value in re.findall(r"^toxiproxy_proxy_received_bytes_total\{.*\} (\S+)", text, re.MULTILINE)
    )


def test_p21_a_stalled_link_with_latency_takes_in_a_thousand_chunks(server: Toxiproxy) -> None:
    taken = []
    for latency in (0, 60_000):
        with socket.create_server(("127.0.0.1", 0)) as listener, proxy_to(server, listener) as door:
            if latency:
                assert add(server, "latency", {"latency": latency}, proxy="own").is_success
            with saturated(listener, door) as stall:
                taken.append(stall.sent_bytes)
    # As many chunks of up to 32 KiB more; not all of them are full.
    assert taken[1] - taken[0] > 8 * 1024 * 1024


def test_p22_browsers_are_refused_and_we_are_not(server: Toxiproxy) -> None:
    statuses = {}
    for agent in ("Mozilla/5.0", "heavyweather"):
        found = httpx.get(f"{server.url}/proxies", headers={"User-Agent": agent}, trust_env=False)
        statuses[agent] = found.status_code
    assert statuses == {"Mozilla/5.0": 403, "heavyweather": 200}


@pytest.mark.parametrize(
    "config", ["not json", '[{"name": "taken", "listen": "nowhere:0", "upstream": "127.0.0.1:1"}]']
)
def test_p24_a_bad_configuration_is_only_logged_and_the_server_starts(
    config: str, start_toxiproxy: StartToxiproxy
) -> None:
    with start_toxiproxy(config) as server:
        assert call(server, "GET", "/version").is_success
        assert toxiproxy_health(server.url, ["taken"]) == "proxies not created: taken"
        assert re.search(r"error|ERR|Failed", server.log.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("kind", "attributes"), [("latency", {"latency": 60_000}), ("slicer", {"average_size": 500, "delay": 900_000})]
)
def test_p25_taking_a_toxic_off_waits_5_s_for_each_piece_that_nobody_takes_any_more(
    server: Toxiproxy, kind: str, attributes: dict[str, int]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, proxy_to(server, listener) as door:
        assert add(server, kind, attributes, proxy="own").is_success
        abandon(listener, door)
        with pytest.raises(httpx.ReadTimeout):
            call(server, "DELETE", f"/proxies/own/toxics/{kind}", limit_s=2.0)
        # Nor does anybody get an answer about its toxics meanwhile.
        with pytest.raises(httpx.ReadTimeout):
            call(server, "GET", "/proxies", limit_s=SOON_S)
