"""A held connection: it goes on for as long as packets cross, with every protocol's real server."""

from __future__ import annotations

import os
import socket
import sys
import threading

import pytest

from chaos.canary.ack_probe import AckProbe
from chaos.canary.canary import Canary
from chaos.faults.packets.nftables import Drop, Table, table_name
from chaos.observed import State
from tests.chaos.conftest import Serve, Toxiproxy
from tests.chaos.wires import RUN, skip_without_firewall

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what was acknowledged"),
    # The tables of the whole machine are looked at.
    pytest.mark.apart("chaos/faults/packets"),
]


def test_it_goes_on_and_asks_nothing(server: Toxiproxy) -> None:
    canary = Canary("127.0.0.1", server.doors["redis"], "redis")
    held = AckProbe(canary)
    assert all(held.crosses() for _ in range(50))
    assert canary.observe().state is State.ANSWERED
    held.close()
    held.close()
    assert not held.crosses()


@pytest.mark.parametrize(
    ("protocol", "sent"),
    [("http", b"GET /health HTTP/1.1\r\nX-Held: aaa"), ("redis", b"\r\n\r\n\r\n"), ("postgres", b"\0\0\x27\x10\0\0")],
)
def test_what_it_sends_never_ends_a_question(serve: Serve, protocol: str, sent: bytes) -> None:
    received = []
    done = threading.Event()

    def read(connection: socket.socket) -> None:
        while data := connection.recv(100):
            received.append(data)
        done.set()

    held = AckProbe(Canary("127.0.0.1", serve(read), protocol))
    assert [held.crosses() for _ in range(3)] == [True] * 3
    held.close()
    assert done.wait(5)
    assert b"".join(received) == sent


def test_without_acknowledgements_it_does_not_go_on(server: Toxiproxy) -> None:
    skip_without_firewall()
    door = server.doors["redis"]
    held = AckProbe(Canary("127.0.0.1", door, "redis"))
    table = Table(table_name(f"{RUN}-{os.getpid()}", "held"))
    table.create(RUN, door, [Drop("downstream")])
    try:
        assert not held.crosses()
    finally:
        table.delete()
    # What was sent into the void is sent again by itself.
    assert any(held.crosses() for _ in range(5))
    held.close()


def test_nobody_there_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        AckProbe(Canary("127.0.0.1", port, "redis"))
