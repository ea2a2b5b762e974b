"""The client against real servers that misbehave on the wire, one way of ending each."""

import asyncio
import contextlib
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from harness.load.http import HttpClient, HttpReply
from harness.records import Outcome
from tests.harness.servers import Connections, Handler, read_request, reply

DEADLINE_S = 5.0


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST in place of FIN."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Serve connections on a port of its own; yields the base URL."""
    connections = Connections(handler)
    async with await asyncio.start_server(connections.serve, "127.0.0.1", 0) as server:
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            await connections.end()


def ask(handler: Handler, *, times: int = 1, deadline_s: float = DEADLINE_S) -> list[HttpReply]:
    """Send some requests, one after another, and return how each ended."""

    async def run() -> list[HttpReply]:
        async with serving(handler) as url, HttpClient(url, deadline_s=deadline_s) as client:
            return [await client.send("POST", f"/{n}", document={"n": n}) for n in range(times)]

    return asyncio.run(run())


def answering(data: bytes) -> Handler:
    """Return a handler that reads the request, sends `data` and closes."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(data)
        await writer.drain()
        writer.close()

    return handler


async def reset_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reset(writer)


async def reset_after_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    reset(writer)


async def close_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass
    writer.close()


async def begin_and_stop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(reply(200, b"{", length=100))
    await say_nothing(reader, writer)


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(reset_after_request, id="RST after the request"),
        pytest.param(close_at_once, id="FIN before the request"),
        pytest.param(answering(b""), id="FIN after the request"),
        pytest.param(answering(b"HTTP/1.1 200 OK\r\nConte"), id="FIN within the head"),
        pytest.param(answering(reply(200, b'{"a":', length=100)), id="FIN within the body"),
    ],
)
def test_a_connection_that_broke_is_reset(handler: Handler) -> None:
    assert ask(handler, times=5) == [HttpReply(Outcome.RESET)] * 5


def test_a_connection_that_broke_before_the_request_left_is_refused_or_reset() -> None:
    # The RST may overtake the connect's own end; either way nothing of the request was taken.
    assert {ended.outcome for ended in ask(reset_at_once, times=20)} <= {Outcome.REFUSED, Outcome.RESET}


def test_a_port_where_nobody_listens_refuses() -> None:
    async def run(url: str) -> HttpReply:
        async with HttpClient(url, deadline_s=DEADLINE_S) as client:
            return await client.send("GET", "/")

    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, so that nobody else takes it, but not listening
        assert asyncio.run(run(f"http://127.0.0.1:{held.getsockname()[1]}")).outcome is Outcome.REFUSED


@pytest.mark.parametrize("handler", [say_nothing, begin_and_stop])
def test_a_server_that_hangs_is_given_up_at_the_deadline(handler: Handler) -> None:
    began_s = time.perf_counter()
    assert ask(handler, deadline_s=0.3) == [HttpReply(Outcome.TIMED_OUT)]
    assert 0.29 <= time.perf_counter() - began_s < 2.0


def test_a_connect_that_hangs_is_given_up_at_the_deadline() -> None:
    async def run(url: str) -> HttpReply:
        async with HttpClient(url, deadline_s=0.3) as client:
            return await client.send("GET", "/")

    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # Nobody accepts: once the queue is full, further SYNs go unanswered.
        for _ in range(4):
            queued = held.enter_context(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(listener.getsockname())
        assert asyncio.run(run(f"http://127.0.0.1:{listener.getsockname()[1]}")).outcome is Outcome.TIMED_OUT


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, Outcome.OK) for status in (200, 201)),
        *((status, Outcome.SHED) for status in (429, 503)),
        *((status, Outcome.BAD_STATUS) for status in (302, 400, 404, 500, 502, 504)),
    ],
)
@pytest.mark.parametrize("body", [b'{"a": 1}', b"<html>"])
def test_the_status_decides_and_then_the_body(status: int, outcome: Outcome, body: bytes) -> None:
    (ended,) = ask(answering(reply(status, body)))
    readable = body == b'{"a": 1}'
    assert ended.status == status
    assert ended.outcome is (Outcome.WRONG_REPLY if outcome is Outcome.OK and not readable else outcome)
    assert ended.get("a") == (1 if readable else None)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{", b"{} {}"])
def test_a_good_status_with_no_document_is_a_wrong_reply(body: bytes) -> None:
    assert ask(answering(reply(200, body))) == [HttpReply(Outcome.WRONG_REPLY, 200)]


def test_what_is_not_http_is_a_wrong_reply() -> None:
    assert ask(answering(b"SSH-2.0-OpenSSH_9\r\n\r\n")) == [HttpReply(Outcome.WRONG_REPLY)]


def test_a_document_that_is_no_object_has_no_keys() -> None:
    (ended,) = ask(answering(reply(200, b"[1, 2]")))
    assert (ended.outcome, ended.document, ended.get("a")) == (Outcome.OK, [1, 2], None)


def test_no_request_is_processed_twice_when_the_server_closes_between_them() -> None:
    """The server ends kept-alive connections at every stage; the client must neither hide nor repeat anything."""
    rng = random.Random(7331)
    processed: Counter[str] = Counter()
    connections = 0

    async def whimsical(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            _, path, _ = await read_request(reader)
            processed[path] += 1
            whim = rng.choice(["keep", "keep", "close after", "reset after", "close", "reset"])
            if whim in {"keep", "close after", "reset after"}:
                writer.write(reply(200))
                await writer.drain()
            if whim.startswith("reset"):
                reset(writer)
                return
            if whim.startswith("close"):
                writer.close()
                return

    endings = ask(whimsical, times=600)
    for n, ended in enumerate(endings):
        assert processed[f"/{n}"] <= 1
        assert ended.outcome in {Outcome.OK, Outcome.RESET}
        assert ended.outcome is not Outcome.OK or processed[f"/{n}"] == 1
    seen = Counter(ended.outcome for ended in endings)
    assert seen[Outcome.RESET] > 100
    assert seen[Outcome.OK] > 200
    assert 1 < connections < 600, "connections were never kept, or never closed"


def test_a_deadline_belongs_to_each_request_alone() -> None:
    async def slow_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, path, _ = await read_request(reader)
            if path == "/0":
                await say_nothing(reader, writer)
            writer.write(reply(200))
            await writer.drain()

    assert [r.outcome for r in ask(slow_once, times=3, deadline_s=0.3)] == [Outcome.TIMED_OUT, Outcome.OK, Outcome.OK]
