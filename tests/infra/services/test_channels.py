from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis as redis_client
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from harness.wait import wait_until
from infra.services.channels import _Session
from tests.infra.services.rig import Program, Service


class Session:
    def __init__(self, wire: ClientConnection) -> None:
        self.wire = wire

    def tell(self, message: object) -> None:
        self.wire.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def hear(self) -> Any:
        return json.loads(self.wire.recv(timeout=5))

    def ask(self, message: object) -> Any:
        self.tell(message)
        return self.hear()


@contextmanager
def session(api: Service) -> Iterator[Session]:
    with connect(f"{api.url.replace('http', 'ws')}/ws", compression=None, max_size=None) as wire:
        yield Session(wire)


def test_echo_ping_and_mistakes(api: Service) -> None:
    with session(api) as s:
        assert s.ask({"type": "echo", "id": 7, "data": [1, "\u00e9"]}) == {
            "type": "echo",
            "id": 7,
            "data": [1, "\u00e9"],
        }
        assert s.ask({"type": "ping", "id": "p"}) == {"type": "pong", "id": "p"}
        for mistake in (b"\x00", "{", "[1]", "NaN", {"type": "dance"}, {}, {"type": "subscribe", "channel": "a b"}):
            assert s.ask(mistake)["type"] == "error"
        assert s.ask({"type": "ping"}) == {"type": "pong"}
        large = "x" * 4_000_000
        assert s.ask({"type": "echo", "data": large})["data"] == large


def test_messages_reach_every_subscriber_in_order(api: Service) -> None:
    with session(api) as one, session(api) as two, api.client() as client:
        begun = one.ask({"type": "subscribe", "channel": "news"})["sequence"]
        assert two.ask({"type": "subscribe", "channel": "news"})["sequence"] == begun
        assert client.post("/publish/news", json={"data": {"n": 0}}).json()["sequence"] == begun + 1
        for number in range(1, 50):
            client.post("/publish/news", json={"data": {"n": number}})
        for s in (one, two):
            heard = [s.hear() for _ in range(50)]
            assert [message["sequence"] for message in heard] == list(range(begun + 1, begun + 51))
            assert [message["data"]["n"] for message in heard] == list(range(50))
        assert one.ask({"type": "unsubscribe", "channel": "news"})["type"] == "unsubscribed"
        client.post("/publish/news", json={"data": None})
        assert two.hear()["data"] is None
        assert one.ask({"type": "ping"}) == {"type": "pong"}


def test_sessions_are_counted_and_none_is_left(api: Service) -> None:
    before = api.metric("hw_sessions")
    with session(api) as s:
        s.ask({"type": "subscribe", "channel": "left"})
        assert api.metric("hw_sessions") == before + 1
    wait_until("gone", lambda: None if api.metric("hw_sessions") == before else "there", limit_s=5)


def test_what_a_lost_connection_missed_is_told(api: Service, redis_server: tuple[Program, str]) -> None:
    with session(api) as s, redis_client.Redis.from_url(redis_server[1]) as admin:
        begun = s.ask({"type": "subscribe", "channel": "holes"})["sequence"]
        # Counted, and published to nobody: as messages are while the subscriber is away.
        with admin.pipeline(transaction=True) as both:
            both.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            both.hincrby("channel-count:holes", "sequence", 3)
            both.execute()
        notice = s.hear()
        assert notice == {"type": "gap", "channel": "holes", "first": begun + 1, "last": begun + 3, "missed": 3}
        s.tell({"type": "publish", "channel": "holes", "data": "after"})
        heard = [s.hear(), s.hear()]
        assert {message["type"]: message["sequence"] for message in heard} == {
            "message": begun + 4, "published": begun + 4,
        }  # fmt: skip


# A gap was heard once beside other tests, and why is not known: alone it never was, and what is heard is shown.
@pytest.mark.alone
def test_a_connection_lost_without_loss_is_mended_in_silence(api: Service, redis_server: tuple[Program, str]) -> None:
    with session(api) as s, redis_client.Redis.from_url(redis_server[1]) as admin:
        s.ask({"type": "subscribe", "channel": "whole"})
        killed = {client["id"] for client in admin.client_list("pubsub")}

        def back() -> str | None:
            # A killed client may count as a subscriber for a moment yet.
            if killed & {client["id"] for client in admin.client_list("pubsub")}:
                return "not gone yet"
            return None if admin.pubsub_numsub("channel:whole")[0][1] else "away"

        admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        wait_until("subscribed again", back, limit_s=5)
        s.tell({"type": "publish", "channel": "whole", "data": 1})
        heard = [s.hear(), s.hear()]
        assert {message["type"] for message in heard} == {"message", "published"}, heard


def test_a_redis_that_forgot_its_count_is_told(api: Service, redis_server: tuple[Program, str]) -> None:
    with session(api) as s:
        s.ask({"type": "subscribe", "channel": "forgotten"})
        s.tell({"type": "publish", "channel": "forgotten", "data": 1})
        s.hear()
        s.hear()
        redis_server[0].stop()
        assert s.ask({"type": "publish", "channel": "forgotten", "data": 2})["type"] == "error"
        redis_server[0].start()
        notice = s.hear()
        assert (notice["type"], notice["missed"]) == ("gap", None)
        s.tell({"type": "publish", "channel": "forgotten", "data": 3})
        assert {json.dumps(s.hear().get("data")), json.dumps(s.hear().get("data"))} == {"3", "null"}


def test_subscribing_without_redis_is_an_error_and_works_later(api: Service, redis_server: tuple[Program, str]) -> None:
    with session(api) as s:
        redis_server[0].stop()
        try:
            assert s.ask({"type": "subscribe", "channel": "later"})["type"] == "error"
        finally:
            redis_server[0].start()

        def subscribed() -> str | None:
            reply = s.ask({"type": "subscribe", "channel": "later"})
            return None if reply["type"] == "subscribed" else str(reply)

        assert wait_until("subscribed", subscribed, limit_s=10) < 2.0


class Wire:
    """A WebSocket as Starlette shows it, whose peer reads only when told."""

    def __init__(self, *, reading: bool) -> None:
        self.sent: asyncio.Queue[str] = asyncio.Queue()
        self.closed: int | None = None
        self._reading = asyncio.Event()
        if reading:
            self._reading.set()

    async def receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send_text(self, text: str) -> None:
        await self._reading.wait()
        await self.sent.put(text)

    async def close(self, code: int, _reason: str) -> None:
        self.closed = code

    def read(self) -> None:
        self._reading.set()


def test_a_session_beats() -> None:
    async def play() -> list[Any]:
        wire = Wire(reading=True)
        running = asyncio.create_task(_Session(wire, None, heartbeat_s=0.01).run())  # type: ignore[arg-type] # stand-ins
        beats = [json.loads(await wire.sent.get()) for _ in range(3)]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return beats

    assert asyncio.run(play()) == [{"type": "heartbeat", "number": n} for n in (1, 2, 3)]


def test_a_session_that_falls_behind_is_closed() -> None:
    async def play() -> int | None:
        wire = Wire(reading=False)
        session = _Session(wire, None, heartbeat_s=60.0)  # type: ignore[arg-type] # stand-ins
        running = asyncio.create_task(session.run())
        for _ in range(1002):
            session._offer("{}")
        wire.read()
        async with asyncio.timeout(5):
            await running
        return wire.closed

    assert asyncio.run(play()) == 1013


def test_too_many_subscriptions_are_refused(api: Service) -> None:
    with session(api) as s:
        replies = [s.ask({"type": "subscribe", "channel": f"many-{n}"})["type"] for n in range(65)]
        assert replies == ["subscribed"] * 64 + ["error"]
        assert s.ask({"type": "subscribe", "channel": "many-0"})["type"] == "error"


def test_a_frame_beyond_the_limit_closes_the_session(api: Service) -> None:
    with session(api) as s, pytest.raises(ConnectionClosed):
        s.ask("x" * (32 * 2**20 + 1))
