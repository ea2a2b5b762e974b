from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.utils import accept_key

from harness.load.call import Call, now_ns
from harness.load.websocket.link import NEVER_NS, Link
from harness.load.websocket.opening import Address
from harness.records import Outcome
from tests.harness.load.websocket.channel_server import ChannelServer, channel_server, raw_server
from tests.harness.load.websocket.desk import LIMIT_S, LOOPS, play

PING = {"type": "ping"}
# What no server here answers by itself.
UNHEARD = {"type": "unheard"}


class Owner:
    """Owns one link: keeps what it heard and how its calls were settled."""

    def __init__(self, url: str, *, connect_s: float = LIMIT_S) -> None:
        self.heard: list[dict[str, Any]] = []
        self.settled: list[tuple[str, Outcome, str]] = []
        self.repeats = 0
        self._changed = asyncio.Event()
        self.link = Link(self.hear, self._changed.set, self.repeat)
        address = Address(url=url, connect_s=connect_s)
        self.task = asyncio.create_task(self.link.run(address, lambda: Call("open", 0), self.settle))

    def hear(self, document: dict[str, Any]) -> None:
        self.heard.append(document)
        self._changed.set()

    def repeat(self) -> None:
        self.repeats += 1

    def settle(self, call: Call, outcome: Outcome, _reply: Mapping[str, Any]) -> None:
        self.settled.append((call.operation, outcome, call.error))
        self._changed.set()

    async def ask(self, document: Mapping[str, Any], *, deadline_s: float = LIMIT_S) -> int:
        return await self.link.ask(document, "pong", Call("ask", 1, deadline_s=deadline_s), self.settle)

    async def until_settled(self, *wanted: tuple[str, Outcome, str]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while self.settled != list(wanted):
                self._changed.clear()
                await self._changed.wait()

    async def until_ended(self) -> tuple[Outcome, str] | None:
        async with asyncio.timeout(LIMIT_S):
            await asyncio.wait([self.task])
        return self.link.ending


@asynccontextmanager
async def owning(server: ChannelServer) -> AsyncIterator[Owner]:
    owner = Owner(server.url)
    await owner.until_settled(OPENED)
    owner.settled.clear()
    yield owner
    owner.task.cancel()
    await asyncio.wait([owner.task])


OPENED = ("open", Outcome.OK, "")


@pytest.mark.parametrize("loop", LOOPS)
def test_a_question_is_answered_and_an_error_told(loop: str) -> None:
    async def scene() -> None:
        async with channel_server() as server, owning(server) as owner:
            await owner.ask(PING)
            await owner.until_settled(("ask", Outcome.OK, ""))
            owner.settled.clear()
            server.answers["ping"] = {"type": "error", "error": "no redis"}
            await owner.ask(PING)
            await owner.until_settled(("ask", Outcome.BAD_STATUS, "no redis"))
            owner.settled.clear()
            server.answers["ping"] = {"type": "published"}
            await owner.ask(PING)
            await owner.until_settled(("ask", Outcome.WRONG_REPLY, "no pong"))
            assert owner.link.due_ns == NEVER_NS

    play(scene(), loop)


def test_a_question_without_an_answer_expires_and_a_late_one_is_no_news() -> None:
    async def scene() -> None:
        async with channel_server() as server, owning(server) as owner:
            server.answers["unheard"] = None
            number = await owner.ask(UNHEARD, deadline_s=1.0)
            assert 0 < owner.link.due_ns - now_ns() <= 1e9
            assert owner.link.expire(now_ns()) == set()
            assert owner.link.expire(owner.link.due_ns) == {"pong"}
            assert owner.settled == [("ask", Outcome.TIMED_OUT, "no pong")]
            await server.wires[0].send(f'{{"type":"pong","id":{number}}}')
            await owner.ask(PING)
            await owner.until_settled(("ask", Outcome.TIMED_OUT, "no pong"), ("ask", Outcome.OK, ""))
            assert owner.repeats == 0

    play(scene())


def test_a_second_reply_and_one_to_nothing_are_told() -> None:
    async def scene() -> None:
        async with channel_server() as server, owning(server) as owner:
            server.answers["unheard"] = None
            late = await owner.ask(UNHEARD)
            owner.link.expire(owner.link.due_ns)
            prompt = await owner.ask(PING)
            await owner.until_settled(("ask", Outcome.TIMED_OUT, "no pong"), ("ask", Outcome.OK, ""))
            for identity in (prompt, late, late, prompt + 99, 0, '"other"', "true", "null"):
                await server.wires[0].send(f'{{"type":"pong","id":{identity}}}')
            await owner.ask(PING)
            await owner.until_settled(("ask", Outcome.TIMED_OUT, "no pong"), *[("ask", Outcome.OK, "")] * 2)
            # All but the first of the late one's.
            assert owner.repeats == 7

    play(scene())


@pytest.mark.parametrize("loop", LOOPS)
def test_an_opening_that_fails_is_settled_and_ends(loop: str) -> None:
    async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def scene() -> None:
        async with raw_server(hang) as url:
            owner = Owner(url, connect_s=0.05)
            assert await owner.until_ended() == (Outcome.TIMED_OUT, "TimeoutError")
            assert owner.settled == [("open", Outcome.TIMED_OUT, "TimeoutError")]
            assert not owner.link.stood
            assert owner.task.exception() is None

    play(scene(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_what_was_asked_is_settled_when_the_connection_ends(loop: str) -> None:
    async def scene() -> None:
        async with channel_server() as server, owning(server) as owner:
            server.answers["ping"] = None
            await owner.ask(PING)
            await owner.ask(PING)
            await server.wires[0].close(1013)
            assert await owner.until_ended() == (Outcome.SHED, "closed 1013")
            # It may have been done: that the system sheds connections says nothing of it.
            assert owner.settled == [("ask", Outcome.RESET, "closed 1013")] * 2
            await owner.ask(PING)
            assert owner.settled[2:] == [("ask", Outcome.REFUSED, "not connected")]

    play(scene(), loop)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("text", ["nonsense", "[1]", b"\x00\xff"])
def test_nonsense_ends_the_connection(text: str | bytes, loop: str) -> None:
    async def scene() -> None:
        async with channel_server() as server, owning(server) as owner:
            await server.wires[0].send(text)
            assert await owner.until_ended() == (Outcome.WRONG_REPLY, "not a JSON object")

    play(scene(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_one_let_go_waits_for_its_answers_and_closes_in_order(loop: str) -> None:
    async def scene() -> None:
        async with channel_server() as server, owning(server) as owner:
            server.answers["ping"] = None
            number = await owner.ask(PING)
            owner.link.let_go(LIMIT_S)
            await owner.ask(PING)
            assert owner.settled == [("ask", Outcome.REFUSED, "not connected")]
            assert not owner.task.done()
            await server.wires[0].send(f'{{"type":"pong","id":{number}}}')
            assert await owner.until_ended() == (Outcome.OK, "")
            assert owner.settled[1:] == [("ask", Outcome.OK, "")]
        assert server.closes == [1000]

    play(scene(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_one_let_go_does_not_wait_for_ever(loop: str) -> None:
    async def half_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        await asyncio.Event().wait()

    async def scene() -> None:
        async with raw_server(half_open) as url:
            for asking in (False, True):
                owner = Owner(url)
                await owner.until_settled(OPENED)
                if asking:
                    await owner.ask(PING)
                owner.link.let_go(0.05)
                assert await owner.until_ended() == (Outcome.OK, "")
                assert owner.settled[1:] == [("ask", Outcome.TIMED_OUT, "no pong")] * asking

    play(scene(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_peer_that_does_not_read_costs_a_deadline_and_not_the_owner(loop: str) -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        writer.transport.pause_reading()  # type: ignore[attr-defined] # a server's transport reads
        await asyncio.Event().wait()

    async def scene() -> None:
        async with raw_server(deaf) as url:
            owner = Owner(url)
            await owner.until_settled(OPENED)
            await owner.ask({"text": "x" * 30_000_000}, deadline_s=0.1)
            assert await owner.until_ended() == (Outcome.TIMED_OUT, "not read")
            assert owner.settled[1:] == [("ask", Outcome.TIMED_OUT, "no pong")]

    play(scene(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_close_without_an_end_is_ended_by_the_next_question(loop: str) -> None:
    """The other side says goodbye with 1013 and leaves the connection open."""

    async def scene() -> None:
        closing = asyncio.Event()

        async def lingering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await accept(reader, writer)
            writer.write(b"\x88\x02\x03\xf5")
            await reader.readexactly(8)
            closing.set()
            await asyncio.Event().wait()

        async with raw_server(lingering) as url, asyncio.timeout(LIMIT_S):
            owner = Owner(url)
            await owner.until_settled(OPENED)
            await closing.wait()
            assert not owner.task.done()
            await owner.ask(PING)
            assert await owner.until_ended() == (Outcome.SHED, "closed 1013")
            assert owner.settled[1:] == [("ask", Outcome.REFUSED, "not connected")]

    play(scene(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_cancelled_link_leaves_no_socket(loop: str) -> None:
    async def scene() -> None:
        gone = asyncio.Event()

        async def watch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await accept(reader, writer)
            try:
                await reader.read()
            finally:
                gone.set()

        async with raw_server(watch) as url, asyncio.timeout(LIMIT_S):
            owner = Owner(url)
            await owner.until_settled(OPENED)
            owner.task.cancel()
            await owner.until_ended()
            assert owner.task.cancelled()
            await gone.wait()

    play(scene(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_link_cancelled_while_it_opens_is_settled(loop: str) -> None:
    async def scene() -> None:
        arrived, gone = asyncio.Event(), asyncio.Event()

        async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            arrived.set()
            await reader.read()
            gone.set()

        async with raw_server(hang) as url, asyncio.timeout(LIMIT_S):
            owner = Owner(url)
            await arrived.wait()
            owner.task.cancel()
            await owner.until_ended()
            assert owner.settled == [("open", Outcome.TIMED_OUT, "given up")]
            await gone.wait()

    play(scene(), loop)


async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take one WebSocket handshake by hand."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    (key,) = [line.split(": ")[1] for line in head.splitlines() if line.lower().startswith("sec-websocket-key")]
    writer.write(
        b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_key(key).encode() + b"\r\n\r\n"
    )


@pytest.mark.parametrize("loop", LOOPS)
def test_one_let_go_closes_in_order_amid_messages(loop: str) -> None:
    async def scene() -> None:
        async with channel_server() as server, owning(server) as owner:
            owner.link.let_go(LIMIT_S)
            for _ in range(100):
                await server.wires[0].send('{"type":"heartbeat"}')
            async with asyncio.timeout(LIMIT_S / 2):
                await asyncio.wait([owner.task])
            assert owner.link.ending == (Outcome.OK, "")
        assert server.closes == [1000]

    play(scene(), loop)
