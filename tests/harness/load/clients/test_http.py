"""The client as a whole: connections that are kept or not, requests that are never sent twice, and what is sent."""

import asyncio
import random
import socket
from collections import Counter
from collections.abc import Iterable

import pytest

from harness.errors import LoadError
from harness.load.call import Call
from harness.load.clients.http import HttpClient, HttpReply
from harness.load.clients.sse import ServerEvent
from harness.records import Mark, Outcome
from tests.harness.load.wire import answering, ask, reset, run, say_nothing, serving
from tests.harness.servers import Handler, read_request, reply


def whimsical(rng: random.Random, processed: Counter[str], connections: list[None]) -> Handler:
    """Return a server that ends kept-alive connections at every stage."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(None)
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

    return handler


@pytest.mark.parametrize("fresh", [False, True])
def test_no_request_is_sent_twice_when_the_server_closes_between_them(fresh: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The client must neither hide nor repeat anything: one connection at most for each request, one processing."""
    processed, connections = Counter[str](), list[None]()
    endings = ask(whimsical(random.Random(7331), processed, connections), times=600, fresh=fresh)
    for n, (ended, _) in enumerate(endings):
        assert processed[f"/{n}"] <= 1
        assert ended.outcome in {Outcome.OK, Outcome.RESET}
        assert ended.outcome is not Outcome.OK or processed[f"/{n}"] == 1
    seen = Counter(ended.outcome for ended, _ in endings)
    assert seen[Outcome.RESET] > 100
    assert seen[Outcome.OK] > 200
    opened = sum(1 for _, call in endings if call.connect_ns)
    assert opened == len(connections), "a connection was opened that no call tells of"
    assert (len(connections) == 600) is fresh


def test_connecting_and_service_are_apart_and_a_kept_connection_costs_no_connect() -> None:
    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(reply(200))
            await writer.drain()

    kept = [call.connect_ns for _, call in ask(keep, times=3)]
    assert kept[0] > 0
    assert kept[1:] == [0, 0]
    assert all(call.connect_ns > 0 for _, call in ask(keep, times=3, fresh=True))


def test_a_reply_that_nobody_asked_for_is_never_taken_for_the_next() -> None:
    """A server that answers twice leaves its second reply on the connection: it must not answer what comes next."""

    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, path, _ = await read_request(reader)
            writer.write(reply(200, f'"{path}"'.encode()) * 2)
            await writer.drain()

    endings = ask(twice, times=20)
    for n, (ended, _) in enumerate(endings):
        assert ended.document in {f"/{n}", None}, "another request's reply"
    assert {ended.outcome for ended, _ in endings} <= {Outcome.OK, Outcome.RESET, Outcome.WRONG_REPLY}
    assert endings[0][0].outcome is Outcome.OK
    seconds = sum(count for _, call in endings for mark, count in call.marks if mark is Mark.SECOND_REPLY)
    assert seconds > 0


@pytest.mark.parametrize(
    ("second", "seen"),
    [
        (reply(200), 1),
        (reply(500), 1),
        (reply(408), 0),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", 0),
        (b"\r\n", 0),
        (b"", 0),
    ],
)
def test_a_second_reply_is_marked_on_the_call_that_it_came_with(second: bytes, seen: int) -> None:
    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(reply(200) + second)
        await writer.drain()
        await reader.read()

    endings = ask(twice, times=3, fresh=True)
    assert [call.marks for _, call in endings] == [((Mark.SECOND_REPLY, 1),) * seen] * 3
    assert {ended.outcome for ended, _ in endings} == {Outcome.OK}


def test_a_second_reply_that_comes_while_the_connection_lies_idle_is_marked_on_the_next_call() -> None:
    async def work() -> list[tuple[tuple[Mark, int], ...]]:
        last: list[asyncio.StreamWriter] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            last.append(writer)
            while True:
                await read_request(reader)
                writer.write(reply(200))
                await writer.drain()

        calls = [Call("ask", n) for n in range(3)]
        async with serving(answer) as url, HttpClient(url) as client:
            await client.send(calls[0], "GET", "/")
            last[0].write(reply(200))
            await last[0].drain()
            while client._idle[-1].reusable:  # until our own loop has read it
                await asyncio.get_running_loop().run_in_executor(None, lambda: None)
            for call in calls[1:]:
                await client.send(call, "GET", "/")
        return [call.marks for call in calls]

    assert run(work) == [(), ((Mark.SECOND_REPLY, 1),), ()]


def test_a_connection_that_the_server_ended_while_it_was_kept_is_not_used_again() -> None:
    async def work() -> list[Outcome]:
        last: list[asyncio.StreamWriter] = []

        async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            last.append(writer)
            writer.write(reply(200))
            await writer.drain()

        outcomes = []
        async with serving(once) as url, HttpClient(url) as client:
            for n in range(5):
                outcomes.append((await client.send(Call("ask", n), "GET", "/")).outcome)
                last[-1].close()
                await last[-1].wait_closed()
                while client._idle and client._idle[-1].reusable:  # until our own loop has read the end
                    await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        return outcomes

    assert run(work) == [Outcome.OK] * 5


def test_each_user_shows_its_own_token_and_arrivals_take_turns() -> None:
    seen: list[str] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            seen.append(next(line.split()[-1] for line in head.splitlines() if line.startswith("Authorization")))
            writer.write(reply(200))
            await writer.drain()

    async def work() -> None:
        async with serving(keep) as url, HttpClient(url, tokens=["a", "b", "c"]) as client:
            for call in (Call("x", 0), Call("x", 1), Call("x", 5), Call("x", 9, user=1), Call("x", 10, user=1)):
                await client.send(call, "GET", "/")

    run(work)
    assert seen == ["a", "b", "c", "b", "b"]


def test_a_stream_s_events_are_read_to_its_end() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

    async def work(*pieces: bytes) -> HttpReply:
        async with serving(answering(*pieces)) as url, HttpClient(url) as client:
            return await client.stream(Call("ask", 0), "GET", "/")

    ended = run(lambda: work(head, b"id: 1\nda", b"ta: x\n\nid: 2\ndata: y\n\ndata: broken off"))
    assert ended.outcome is Outcome.OK
    assert ended.document == [ServerEvent("1", "message", "x"), ServerEvent("2", "message", "y")]
    assert run(lambda: work(reply(200, b"{}"))).outcome is Outcome.WRONG_REPLY
    assert run(lambda: work(reply(503, b""))).outcome is Outcome.SHED


def test_what_our_own_machine_has_run_out_of_is_no_outcome() -> None:
    import resource  # noqa: PLC0415 - absent on Windows

    async def work() -> None:
        async with serving(say_nothing) as url, HttpClient(url) as client:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            held = [socket.socket()]
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (held[0].fileno() + 1, hard))
                with pytest.raises(LoadError, match="no connection can be opened from here"):
                    await client.send(Call("ask", 0), "GET", "/")
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                held[0].close()

    run(work)


@pytest.mark.parametrize("headers", [{"X-Y": "a\r\nEvil: 1"}, {"X\n": "a"}, {"X": "a\0"}])
def test_a_header_that_would_begin_another_is_refused(headers: dict[str, str]) -> None:
    async def work() -> None:
        async with HttpClient("http://127.0.0.1:9") as client:
            await client.send(Call("ask", 0), "GET", "/", headers=headers)

    with pytest.raises(ValueError, match="no such header"):
        run(work)


def lines(head: Iterable[str]) -> list[str]:
    return sorted(line.lower() for line in head if line)


def test_a_request_is_what_a_server_expects() -> None:
    heads: list[str] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            if "Content-Length: 11" in heads[-1]:
                await reader.readexactly(11)
            writer.write(reply(200))
            await writer.drain()

    async def work() -> str:
        async with serving(keep) as url, HttpClient(f"{url}/base/", headers={"X-A": "b"}) as client:
            await client.send(Call("ask", 0), "GET", "/x?y=1")
            await client.send(Call("ask", 1), "POST", "/x", document={"a": [1, 2]})
            await client.send(Call("ask", 2), "PUT", "/x")
        return url.removeprefix("http://")

    host = run(work)
    shared = [f"host: {host}", "user-agent: heavyweather-load", "x-a: b"]
    assert [lines(head.split("\r\n")) for head in heads] == [
        sorted(["get /base/x?y=1 http/1.1", *shared]),
        sorted(["post /base/x http/1.1", *shared, "content-type: application/json", "content-length: 11"]),
        sorted(["put /base/x http/1.1", *shared, "content-length: 0"]),
    ]
