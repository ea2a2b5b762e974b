"""The ways out of a wedge, with a server that is wedged for real: by a reader that stalls, and by a dial that hangs."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from chaos.faults.links.rescue import mend, proxy_of
from chaos.faults.links.server import ProcessRestart
from chaos.faults.links.toxics import Latency, ResetPeer
from chaos.faults.links.toxiproxy import Proxy
from chaos.undo import Force
from harness.errors import ChaosError, HealFailed
from harness.wait import wait_until
from infra.named import listening_process
from infra.ports import free_ports
from infra.stack import Endpoint
from tests.chaos.conftest import LIMIT_S, Toxiproxy
from tests.chaos.past_the_driver import call, connect, is_silent, server_with
from tests.chaos.stalls import saturated, swallowing

# Of the server of each test: nothing here answers later than at once, or never.
HANGS_S = 0.7


def args_of(server: Toxiproxy, door: int, upstream_port: int, **more: object) -> Mapping[str, object]:
    place = {"listen": f"127.0.0.1:{door}", "upstream": f"127.0.0.1:{upstream_port}"}
    return {"api": f"127.0.0.1:{server.port}", "proxy": "hop", **place, **more}


@contextlib.contextmanager
def wedging(folder: Path, upstream_port: int) -> Iterator[tuple[Toxiproxy, int]]:
    """Start a server with the proxy that gets stuck and another; yields it, and the door of the first."""
    door, other = free_ports(2)
    proxies = [
        {"name": "hop", "listen": f"127.0.0.1:{door}", "upstream": f"127.0.0.1:{upstream_port}"},
        {"name": "other", "listen": f"127.0.0.1:{other}", "upstream": "127.0.0.1:1"},
    ]
    with server_with(folder, proxies) as server:
        yield server, door


@contextlib.contextmanager
def dialling(folder: Path) -> Iterator[tuple[Toxiproxy, int, int]]:
    """Have a proxy dial an upstream that swallows the dial, and try to disable it in vain."""
    with (
        swallowing() as hole,
        wedging(folder, hole) as (server, door),
        socket.create_connection(("127.0.0.1", door), timeout=LIMIT_S),
    ):
        with pytest.raises(ChaosError, match=r"not disabled: .*timed out"):
            proxy_of(args_of(server, door, hole), limit_s=HANGS_S).set_enabled(False)
        yield server, door, hole


def restart_of(server: Toxiproxy) -> ProcessRestart:
    found = listening_process("toxiproxy", Endpoint("127.0.0.1", server.port))
    assert found is not None
    command = psutil.Process(found.process.pid).cmdline()
    return ProcessRestart(found.process, command, str(server.log.parent), str(server.log))


@contextlib.contextmanager
def ending(server: Toxiproxy) -> Iterator[None]:
    """End what was started in the server's place: it outlives whoever started it."""
    try:
        yield
    finally:
        if found := listening_process("toxiproxy", Endpoint("127.0.0.1", server.port)):
            psutil.Process(found.process.pid).kill()

            def left() -> str | None:
                return "still there" if psutil.pid_exists(found.process.pid) else None

            wait_until("the end of the restarted server", left, limit_s=LIMIT_S)


def test_a_toxic_behind_a_stalled_reader_is_got_rid_of_by_making_its_proxy_anew(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        upstream_port = listener.getsockname()[1]
        with wedging(folder, upstream_port) as (server, door):
            args = args_of(server, door, upstream_port)
            proxy_of(args).add("late", Latency(0.01))
            Proxy("127.0.0.1", server.port, "other").add("late", Latency(0.01))
            with saturated(listener, door):
                force = mend(args, lambda proxy: proxy.remove("late"), limit_s=HANGS_S)
                how = "hop did not answer and was created again: its connections were cut"
                assert force == Force(how, {"api": args["api"], "proxy": "hop"})
                assert proxy_of(args).state().whole
                assert "late" in call(server, "GET", "/proxies/other").text
                with socket.create_connection(("127.0.0.1", door), timeout=LIMIT_S):
                    listener.accept()[0].close()


def test_a_server_that_was_only_slow_is_asked_again_and_not_forced(server: Toxiproxy) -> None:
    proxy_of(args := {"api": f"127.0.0.1:{server.port}", "proxy": "redis"}).add("late", ResetPeer(1.2))
    with connect(server) as connection:
        connection.sendall(b"PING\r\n")
        assert is_silent(connection, 0.05)
        # It is taken off only once it has reset what it waits for: longer than the first answer may take.
        assert mend(args, lambda proxy: proxy.remove("late"), limit_s=1.0) is None
    assert proxy_of(args).state().whole


def test_without_its_ends_a_wedged_proxy_is_told_and_left(folder: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        wedging(folder, listener.getsockname()[1]) as (server, door),
        saturated(listener, door),
    ):
        args = {"api": f"127.0.0.1:{server.port}", "proxy": "hop"}
        with pytest.raises(HealFailed, match=r"timed out.*; how its server is started is not known"):
            mend(args, lambda proxy: proxy.add("late", Latency(0.01)), limit_s=HANGS_S)
        call(server, "DELETE", "/proxies/hop")


def test_p14_a_dial_that_hangs_blocks_its_proxy_alone_until_one_deletes_it(folder: Path) -> None:
    with dialling(folder) as (server, door, hole):
        args = args_of(server, door, hole)
        # Toxics and the list are free of it.
        proxy_of(args).add("late", Latency(0.01))
        proxy_of(args).remove("late")
        assert proxy_of(args).lists_in_time()
        with pytest.raises(HealFailed, match="blocked dialling its upstream; how its server"):
            mend(args, lambda proxy: proxy.set_enabled(True), limit_s=HANGS_S)
        assert proxy_of(args).lists_in_time()
        with pytest.raises(ChaosError, match=r"hop: not created again: .*timed out"):
            proxy_of(args, limit_s=HANGS_S).make_anew(f"127.0.0.1:{door}", f"127.0.0.1:{hole}")
        assert not proxy_of(args, limit_s=HANGS_S).lists_in_time()


def test_a_proxy_whose_dial_hangs_is_got_out_of_by_starting_the_server_again(folder: Path) -> None:
    with dialling(folder) as (server, door, hole), ending(server):
        restart = restart_of(server)
        args = json.loads(json.dumps(args_of(server, door, hole, restart=restart.as_args())))
        force = mend(args, lambda proxy: proxy.set_enabled(True), limit_s=HANGS_S)
        assert force is not None
        assert (force.how.split(": ")[1], force.lost) == ("all connections through it were cut", {"api": args["api"]})
        assert proxy_of(args).state().whole
        assert not restart.process.lives
        assert set(call(server, "GET", "/proxies").json()) == {"hop", "other"}


def test_what_is_answered_is_no_wedge(server: Toxiproxy) -> None:
    args = {"api": f"127.0.0.1:{server.port}", "proxy": "nobody", "restart": {"by": "nothing that there is"}}
    with pytest.raises(ChaosError, match="nobody: the Toxiproxy server has no such proxy"):
        mend(args, lambda proxy: proxy.remove("late"))


def test_a_server_that_is_gone_is_no_wedge() -> None:
    (port,) = free_ports(1)
    args = {"api": f"127.0.0.1:{port}", "proxy": "hop", "restart": {"by": "nothing that there is"}}
    with pytest.raises(ChaosError, match=r"hop: toxic late not removed: .*refused"):
        mend(args, lambda proxy: proxy.remove("late"))
