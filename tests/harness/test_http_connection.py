"""One exchange on one connection, against real servers that misbehave on the wire."""

import asyncio
import socket

import pytest

from harness.load.call import Call
from harness.load.clients.http import HttpClient, HttpReply
from harness.records import Outcome
from tests.harness.load.links import full_port
from tests.harness.load.wire import (
    answering,
    ask,
    begin_and_stop,
    close_at_once,
    reset_after_request,
    reset_at_once,
    run,
    say_nothing,
    serving,
)
from tests.harness.servers import Handler, read_request, reply


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(reset_after_request, id="RST after the request"),
        pytest.param(close_at_once, id="FIN before the request"),
        pytest.param(reset_at_once, id="RST before the request"),
        pytest.param(answering(b""), id="FIN after the request"),
        pytest.param(answering(b"HTTP/1.1 200 OK\r\nConte"), id="FIN within the head"),
        pytest.param(answering(reply(200, b'{"a":', length=100)), id="FIN within the body"),
        pytest.param(
            answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"), id="FIN between chunks"
        ),
    ],
)
@pytest.mark.parametrize("fresh", [False, True])
def test_a_connection_that_broke_is_reset(handler: Handler, fresh: bool) -> None:  # noqa: FBT001 - a parameter of the test
    for ended, call in ask(handler, times=5, fresh=fresh):
        assert ended == HttpReply(Outcome.RESET)
        assert call.error
        assert call.connect_ns > 0


CHUNKS = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n'


def test_a_port_where_nobody_listens_refuses() -> None:
    async def work(url: str) -> tuple[HttpReply, Call]:
        call = Call("ask", 0)
        async with HttpClient(url) as client:
            return await client.send(call, "GET", "/"), call

    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, so that nobody else takes it, but not listening
        ended, call = run(lambda: work(f"http://127.0.0.1:{held.getsockname()[1]}"))
    assert ended == HttpReply(Outcome.REFUSED)
    assert call.error == "ConnectionRefusedError"


def test_a_name_that_nobody_knows_refuses() -> None:
    async def work() -> HttpReply:
        async with HttpClient("http://no-such-host.invalid") as client:
            return await client.send(Call("ask", 0), "GET", "/")

    assert run(work) == HttpReply(Outcome.REFUSED)


@pytest.mark.parametrize("handler", [say_nothing, begin_and_stop])
def test_a_request_that_is_given_up_ends_its_connection_at_once(handler: Handler) -> None:
    """The server sees the end of the connection, and no later request meets what is left on it."""

    async def work() -> list[Outcome]:
        over = asyncio.Event()
        requests = asyncio.Queue[None]()

        async def watched(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            requests.put_nowait(None)
            try:
                await handler(reader, writer)
            finally:
                over.set()

        async with serving(watched) as url, HttpClient(url) as client:
            asking = asyncio.create_task(client.send(Call("ask", 0), "POST", "/", document={}))
            await requests.get()
            asking.cancel()
            outcomes = await asyncio.gather(asking, return_exceptions=True)
            assert isinstance(outcomes[0], asyncio.CancelledError)
            await over.wait()
            again = asyncio.create_task(client.send(Call("ask", 1), "POST", "/", document={}))
            await requests.get()
            again.cancel()
            await asyncio.gather(again, return_exceptions=True)
        return []

    assert run(work) == []


def test_a_connect_that_hangs_can_be_given_up() -> None:
    async def work(url: str) -> int:
        call = Call("ask", 0)
        async with HttpClient(url) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await client.send(call, "GET", "/")
        return call.connect_ns

    with full_port() as port:
        waited_ns = run(lambda: work(f"http://127.0.0.1:{port}"))
    assert waited_ns >= 0.29e9


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
    ((ended, call),) = ask(answering(reply(status, body)))
    readable = body == b'{"a": 1}'
    assert ended.status == status
    assert ended.outcome is (Outcome.WRONG_REPLY if outcome is Outcome.OK and not readable else outcome)
    assert ended.get("a") == (1 if readable else None)
    assert call.error == ("" if ended.outcome is Outcome.OK else call.error)
    assert bool(call.error) is (ended.outcome is not Outcome.OK)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{", b"{} {}", b"[" * 100_000])
def test_a_good_status_with_no_document_is_a_wrong_reply(body: bytes) -> None:
    assert ask(answering(reply(200, body)))[0][0] == HttpReply(Outcome.WRONG_REPLY, 200)


@pytest.mark.parametrize(
    "noise", [b"SSH-2.0-OpenSSH_9\r\n\r\n", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx"]
)
def test_what_is_not_http_is_a_wrong_reply(noise: bytes) -> None:
    assert ask(answering(noise))[0][0] == HttpReply(Outcome.WRONG_REPLY)


def test_a_document_that_is_no_object_has_no_keys() -> None:
    ((ended, _),) = ask(answering(reply(200, b"[1, 2]")))
    assert (ended.outcome, ended.document, ended.get("a")) == (Outcome.OK, [1, 2], None)


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([bytes([byte]) for byte in reply(200, b'{"a":1}')], id="byte by byte"),
        pytest.param([CHUNKS], id="chunks"),
        pytest.param([b'HTTP/1.0 200 OK\r\n\r\n{"a"', b":1}"], id="until the end of the connection"),
        pytest.param([b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", reply(200, b'{"a":1}')], id="after early hints"),
        pytest.param([b"HTTP/1.1 100 Continue\r\n\r\n" + reply(200, b'{"a":1}')], id="after continue"),
    ],
)  # fmt: skip
def test_a_reply_is_whole_however_it_comes(pieces: list[bytes]) -> None:
    ((ended, _),) = ask(answering(*pieces))
    assert (ended.outcome, ended.document) == (Outcome.OK, {"a": 1})


@pytest.mark.parametrize("size", [10, 70_000, 12_000_000])
def test_bodies_of_any_size_go_and_come(size: int) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, _, body = await read_request(reader)
            writer.write(reply(200, body))
            await writer.drain()

    async def work() -> HttpReply:
        async with serving(echo) as url, HttpClient(url) as client:
            await client.send(Call("ask", 0), "POST", "/", document="warm")
            return await client.send(Call("ask", 1), "POST", "/", document="x" * size)

    assert run(work).document == "x" * size


def test_a_head_request_is_answered_without_the_body_that_is_announced() -> None:
    async def head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(reply(200, b"", length=500))
            await writer.drain()

    async def work() -> list[HttpReply]:
        async with serving(head) as url, HttpClient(url) as client:
            return [await client.send(Call("ask", n), "HEAD", "/", json_reply=False) for n in range(3)]

    assert run(work) == [HttpReply(Outcome.OK, 200)] * 3
