"""The null server: requests whole, split and pipelined; delays that keep their order; what it tells of arrivals."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import Callable
from typing import Any, cast

import pytest

from benchmarks.null_server import REPLY, NullProtocol, Tally
from benchmarks.processes import null_server

LIMIT_S = 10.0
POST = b"POST /%b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
GET = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"


class ManualLoop:
    """A loop whose time a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, call: Callable[[], None]) -> None:
        self.call_at(self.now_s + delay_s, call)

    def call_at(self, at_s: float, call: Callable[[], None]) -> None:
        self.timers.append((at_s, call))

    def advance(self, to_s: float) -> None:
        while due := sorted((one for one in self.timers if one[0] <= to_s), key=lambda one: one[0]):
            self.timers.remove(due[0])
            self.now_s = due[0][0]
            due[0][1]()
        self.now_s = to_s


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True


class Connection:
    """A protocol between the two, and its end of the wire."""

    def __init__(self, tally: Tally, loop: ManualLoop | None = None) -> None:
        self.loop = loop or ManualLoop()
        self.wire = Transport()
        stamps = itertools.count(1)
        self.protocol = NullProtocol(
            tally, cast("asyncio.AbstractEventLoop", self.loop), now=lambda: float(next(stamps))
        )
        self.protocol.connection_made(cast("asyncio.Transport", self.wire))

    def send(self, data: bytes) -> bytes:
        """Return what is answered at once."""
        self.wire.written = b""
        self.protocol.data_received(data)
        return self.wire.written


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def connection(tally: Tally) -> Connection:
    return Connection(tally)


def told(connection: Connection) -> Any:
    return json.loads(connection.send(GET % b"arrivals").partition(b"\r\n\r\n")[2])


def test_the_reply_is_small_whole_json_rpc() -> None:
    head, _, body = REPLY.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")
    assert json.loads(body)["jsonrpc"] == "2.0"
    assert 50 <= len(body) <= 70


@pytest.mark.parametrize(
    "request_", [GET % b"", POST % b"", (POST % b"").replace(b"Content-Length", b"content-length")]
)
def test_a_request_split_anywhere_gets_one_reply(request_: bytes, tally: Tally) -> None:
    for at in range(1, len(request_)):
        connection = Connection(tally)
        assert connection.send(request_[:at]) == b""
        assert connection.send(request_[at:]) == REPLY


def test_a_request_byte_by_byte_gets_one_reply(connection: Connection) -> None:
    answers = [connection.send(bytes([byte])) for byte in POST % b""]
    assert answers == [b""] * (len(answers) - 1) + [REPLY]


def test_pipelined_requests_get_a_reply_each(connection: Connection) -> None:
    assert connection.send((POST % b"") * 3 + (GET % b"")[:10]) == REPLY * 3
    assert connection.send((GET % b"")[10:]) == REPLY


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        GET % b"delay/soon",
        b"x" * 100_000,
    ],
)
def test_what_it_does_not_understand_is_refused(sent: bytes, connection: Connection) -> None:
    assert connection.send(sent).startswith(b"HTTP/1.1 400 ")
    assert connection.wire.closed


def test_a_delayed_reply_comes_when_it_was_asked_for(connection: Connection) -> None:
    assert connection.send(POST % b"delay/0.5") == b""
    connection.loop.advance(100.4)
    assert connection.wire.written == b""
    connection.loop.advance(100.5)
    assert connection.wire.written == REPLY


def test_no_reply_overtakes_one_asked_for_before(connection: Connection) -> None:
    asked = (GET % b"delay/0.5") + (GET % b"arrivals") + (GET % b"delay/0.2") + (GET % b"delay/0.9")
    assert connection.send(asked) == b""
    connection.loop.advance(100.4)
    assert connection.wire.written == b""
    connection.loop.advance(100.5)
    first, arrivals, third = connection.wire.written.split(b"HTTP/1.1 ")[1:]
    assert b"HTTP/1.1 " + first == b"HTTP/1.1 " + third == REPLY
    assert b'"requests": 1' in arrivals
    connection.loop.advance(100.9)
    assert connection.wire.written.count(REPLY) == 3


def test_a_connection_lost_meanwhile_gets_no_reply(connection: Connection) -> None:
    connection.send(POST % b"delay/0.5")
    connection.protocol.connection_lost(None)
    connection.loop.advance(101)
    assert connection.wire.written == b""


def test_arrivals_are_counted_and_stamped_when_they_come_not_when_they_are_answered(connection: Connection) -> None:
    connection.send((POST % b"") * 2)
    connection.send(POST % b"delay/0.5")
    connection.loop.advance(101)
    seen = told(connection)
    assert (seen["requests"], seen["connections"], seen["arrivals_s"]) == (3, 1, [1.0, 2.0, 3.0])
    assert seen["cpu_s"] >= 0


def test_connections_are_those_that_asked_for_something(tally: Tally) -> None:
    asking, control, _idle = Connection(tally), Connection(tally), Connection(tally)
    asking.send((GET % b"") * 5)
    Connection(tally).send(GET % b"")
    assert told(control)["connections"] == 2


def test_clearing_forgets_and_counts_a_kept_connection_anew(tally: Tally) -> None:
    asking, control = Connection(tally), Connection(tally)
    asking.send((GET % b"") * 5)
    assert control.send((GET % b"arrivals").replace(b"GET", b"DELETE")).endswith(b"\r\n\r\n{}")
    assert told(control) | {"cpu_s": 0} == {"requests": 0, "connections": 0, "cpu_s": 0, "arrivals_s": []}
    asking.send(GET % b"")
    assert (told(control)["requests"], told(control)["connections"]) == (1, 1)


def test_the_process_answers_tells_and_ends() -> None:
    pytest.importorskip("uvloop", reason="the null server runs on uvloop, which this platform does not have")
    with null_server() as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S) as client:
            client.sendall((POST % b"") + (POST % b"delay/0.01"))
            received = b""
            while len(received) < 2 * len(REPLY):
                received += client.recv(65536)
        assert received == REPLY * 2
        seen = server.arrivals()
        assert (seen.requests, seen.connections, len(seen.arrivals_s)) == (2, 1, 2)
        server.clear()
        assert server.arrivals().requests == 0
    assert server.process.returncode == 0
