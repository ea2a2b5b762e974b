from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import (
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidHandshake,
    InvalidMessage,
    WebSocketException,
)
from websockets.frames import Close

from harness.load.websocket.opening import ERRORS, Address, label_of, open_websocket, outcome_of
from harness.records import Outcome
from infra.ports import free_ports
from tests.harness.load.websocket.channel_server import ChannelServer, channel_server, raw_server, reset
from tests.harness.load.websocket.desk import LIMIT_S, LOOPS, play
from tests.harness.servers import Handler

BREACH = Close(1002, "")
RESPONSE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


async def failure(url: str, *, connect_s: float = LIMIT_S) -> OSError | WebSocketException:
    with pytest.raises(ERRORS) as caught:
        await open_websocket(Address(url=url, connect_s=connect_s))
    error = caught.value
    assert isinstance(error, ERRORS)
    return error


def told(error: OSError | WebSocketException) -> tuple[Outcome, str]:
    return outcome_of(error), label_of(error)


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[None, None, None]], None]:
    return lambda scene: play(scene, request.param)


Run = Callable[[Coroutine[None, None, None]], None]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_port_where_nobody_listens_is_refused(host: str, run: Run) -> None:
    async def scene() -> None:
        (port,) = free_ports(1)
        error = await failure(f"ws://{host}:{port}")
        assert outcome_of(error) is Outcome.REFUSED

    run(scene())


def test_a_name_that_is_none_is_refused(run: Run) -> None:
    async def scene() -> None:
        assert outcome_of(await failure("ws://no-such-name.invalid")) is Outcome.REFUSED

    run(scene())


async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def rst(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    reset(writer.transport)


async def rst_at_once(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reset(writer.transport)


async def fin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


def answering(answer: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await reader.read()
        writer.close()

    return handle


@pytest.mark.parametrize(
    ("handler", "outcome"),
    [
        (rst, Outcome.RESET),
        (rst_at_once, Outcome.RESET),
        (fin, Outcome.RESET),
        (answering(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), Outcome.WRONG_REPLY),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), Outcome.BAD_STATUS),
        (answering(RESPONSE + b"\r\n"), Outcome.WRONG_REPLY),
        (answering(RESPONSE + b"Sec-WebSocket-Accept: nonsense\r\n\r\n"), Outcome.WRONG_REPLY),
        (answering(b"HTTP/1.1 101 X\r\nConnection: close\r\n\r\n"), Outcome.WRONG_REPLY),
    ],
    ids=["rst", "rst at once", "fin", "ssh", "http", "no accept", "wrong accept", "no upgrade"],
)
def test_what_is_no_handshake(handler: Handler, outcome: Outcome, run: Run) -> None:
    async def scene() -> None:
        async with raw_server(handler) as url:
            error = await failure(url)
            assert outcome_of(error) is outcome, repr(error)

    run(scene())


def test_a_server_that_never_answers_times_out(run: Run) -> None:
    async def scene() -> None:
        async with raw_server(hang) as url:
            assert told(await failure(url, connect_s=0.05)) == (Outcome.TIMED_OUT, "TimeoutError")

    run(scene())


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (HTTPStatus.SERVICE_UNAVAILABLE, Outcome.SHED),
        (HTTPStatus.TOO_MANY_REQUESTS, Outcome.SHED),
        (HTTPStatus.FORBIDDEN, Outcome.BAD_STATUS),
        (HTTPStatus.INTERNAL_SERVER_ERROR, Outcome.BAD_STATUS),
    ],
)
def test_a_handshake_may_be_denied(status: HTTPStatus, outcome: Outcome, run: Run) -> None:
    async def scene() -> None:
        async with channel_server() as server:
            server.status = status
            assert told(await failure(server.url)) == (outcome, f"status {int(status)}")

    run(scene())


def test_no_redirect_is_followed(run: Run) -> None:
    async def scene() -> None:
        async with channel_server() as server:
            moved = f"HTTP/1.1 302 Found\r\nLocation: {server.url}\r\nContent-Length: 0\r\n\r\n"
            async with raw_server(answering(moved.encode())) as url:
                assert told(await failure(url)) == (Outcome.BAD_STATUS, "status 302")
            assert server.opened == 0

    run(scene())


@asynccontextmanager
async def opened(server: ChannelServer) -> AsyncIterator[ClientConnection]:
    wire = await open_websocket(Address(url=server.url, headers={"X-Who": "us"}))
    try:
        yield wire
    finally:
        wire.transport.abort()
        await wire.wait_closed()


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (1000, Outcome.RESET),
        (1001, Outcome.RESET),
        (1012, Outcome.RESET),
        (1013, Outcome.SHED),
        (1008, Outcome.BAD_STATUS),
        (1011, Outcome.BAD_STATUS),
        (4000, Outcome.BAD_STATUS),
    ],
)
def test_a_close_says_why(code: int, outcome: Outcome, run: Run) -> None:
    async def scene() -> None:
        async with channel_server() as server, opened(server) as wire:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(server.wires[0].close(code))
                with pytest.raises(WebSocketException) as caught:
                    await wire.recv()
            assert told(caught.value) == (outcome, f"closed {code}")

    run(scene())


def test_a_connection_that_stood_may_be_reset(run: Run) -> None:
    async def scene() -> None:
        async with channel_server() as server, opened(server) as wire:
            reset(server.wires[0].transport)
            with pytest.raises(WebSocketException) as caught:
                await wire.recv()
            assert told(caught.value) == (Outcome.RESET, "lost")

    run(scene())


@pytest.mark.parametrize(
    "frame",
    [b"\xff\x00", b"\x81\x02\xff\xfe", b"\x82\x7f\x00\x00\x00\x01\x00\x00\x00\x00"],
    ids=["bits", "text", "size"],
)
def test_a_breach_of_the_protocol_is_a_wrong_reply(frame: bytes, run: Run) -> None:
    async def scene() -> None:
        async with channel_server() as server, opened(server) as wire:
            server.wires[0].transport.write(frame)
            with pytest.raises(WebSocketException) as caught:
                await wire.recv()
            outcome, label = told(caught.value)
            assert outcome is Outcome.WRONG_REPLY, repr(caught.value)
            assert label.startswith("breach 10")

    run(scene())


def test_what_we_send_and_do_not_send(run: Run) -> None:
    async def scene() -> None:
        async with channel_server() as server, opened(server) as wire:
            request = server.wires[0].request
            assert request is not None
            assert request.headers["X-Who"] == "us"
            assert "Sec-WebSocket-Extensions" not in request.headers
            assert wire.keepalive_task is None

    run(scene())


def test_compression_is_offered_when_asked_for() -> None:
    async def scene() -> None:
        async with channel_server() as server:
            wire = await open_websocket(Address(url=server.url, compression="deflate"))
            request = server.wires[0].request
            assert request is not None
            assert "permessage-deflate" in request.headers["Sec-WebSocket-Extensions"]
            await wire.close()

    play(scene())


@pytest.mark.parametrize(
    ("error", "outcome", "label"),
    [
        (ConnectionRefusedError(), Outcome.REFUSED, "ConnectionRefusedError"),
        (OSError("Multiple exceptions"), Outcome.REFUSED, "OSError"),
        (ConnectionResetError(), Outcome.RESET, "ConnectionResetError"),
        (BrokenPipeError(), Outcome.RESET, "BrokenPipeError"),
        (TimeoutError(), Outcome.TIMED_OUT, "TimeoutError"),
        (ssl.SSLError(), Outcome.WRONG_REPLY, "SSLError"),
        (InvalidMessage("x"), Outcome.WRONG_REPLY, "InvalidMessage"),
        (InvalidHandshake("x"), Outcome.WRONG_REPLY, "InvalidHandshake"),
        (ConnectionClosedError(None, None), Outcome.RESET, "lost"),
        (ConnectionClosedError(None, BREACH), Outcome.WRONG_REPLY, "breach 1002"),
        (ConnectionClosedOK(Close(1000, ""), Close(1000, ""), rcvd_then_sent=True), Outcome.RESET, "closed 1000"),
        # The other side says that we broke the protocol; what we send after it is an echo.
        (ConnectionClosedError(BREACH, BREACH, rcvd_then_sent=True), Outcome.BAD_STATUS, "closed 1002"),
    ],
)
def test_every_error_has_an_outcome(error: OSError | WebSocketException, outcome: Outcome, label: str) -> None:
    assert told(error) == (outcome, label)


def test_only_websockets_are_opened() -> None:
    with pytest.raises(ValueError, match="ws://"):
        Address(url="http://127.0.0.1")
