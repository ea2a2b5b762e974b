from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import Any

import pytest

from harness.load.call import Call
from harness.records import Mark, Outcome
from tests.harness.load.websocket.channel_server import CHANNEL, channel_server, raw_server, reset
from tests.harness.load.websocket.desk import LIMIT_S, LOOPS, FakeDesk, play, playing
from tests.harness.load.websocket.listening import OK, listening, subscriber

pytestmark = pytest.mark.parametrize("loop", LOOPS)


def test_messages_are_delivered_and_timed_from_their_sending(loop: str) -> None:
    async def scene() -> None:
        async with listening() as s:
            await s.server.tell({"sent_unix_ns": time.time_ns() - 10_000_000})
            await s.server.tell({"sent_unix_ns": time.time_ns() + 10**12})
            await s.server.tell({"sent_unix_ns": 0})
            for odd in (None, [1], {"sent_unix_ns": "now"}, {"sent_unix_ns": True}):
                await s.server.tell(odd)
            await s.until_delivered(7)
            past, future, ancient, *rest = s.desk.of("ws_delivery")
            assert 0.01 <= past.response_s < 1.0
            assert past.sent_s == past.intended_s
            assert all(0 <= one.response_s < 0.1 for one in (future, *rest))
            # Nothing of a run is older than the run.
            assert ancient.intended_s == 0.0
            assert {sample.key for sample in s.desk.samples} == {""}
            (opened,) = s.desk.of("ws_connect")
            assert opened.outcome is OK
            assert 0 < opened.connect_s <= opened.response_s
            assert s.totals.gaps == s.totals.duplicates == s.totals.drops == 0

    play(scene(), loop)


def test_gaps_and_duplicates_are_found_and_told(loop: str) -> None:
    async def scene() -> None:
        async with listening() as s:
            for number in (1, 2, 5, 5, 4, 4, 20):
                await s.server.tell(number=number)
            await s.server.say({"type": "heartbeat", "number": 1})
            await s.server.say({"type": "gap", "channel": CHANNEL, "first": 21, "last": 23, "missed": 3})
            await s.server.tell(number=24)
            await s.server.say({"type": "gap", "channel": CHANNEL, "first": None, "last": None, "missed": None})
            await s.server.tell(number=2)
            await s.until_delivered(6)
            wrong = ["gap of 2", "duplicate", "late", "duplicate", "gap of 10 or more", "gap of 3", "count lost"]
            assert s.wrongs() == wrong
            assert (s.totals.gaps, s.totals.late, s.totals.duplicates, s.totals.recounts) == (2 + 14 + 3, 1, 2, 1)
            assert [mark for sample in s.desk.samples for mark in sample.marks] == [
                (Mark.SILENT_GAP, 2),
                (Mark.DUPLICATE, 1),
                (Mark.LATE, 1),
                (Mark.DUPLICATE, 1),
                (Mark.SILENT_GAP, 14),
                (Mark.TOLD_GAP, 3),
                (Mark.LOST_COUNT, 1),
            ]
            assert s.totals.drops == 0

    play(scene(), loop)


def test_what_is_no_message_of_the_channel_is_told(loop: str) -> None:
    async def scene() -> None:
        async with listening() as s:
            await s.server.say({"type": "message", "channel": "other", "sequence": 1})
            await s.server.say({"type": "message", "channel": CHANNEL, "sequence": "1"})
            await s.server.say({"type": "dance"})
            await s.server.tell()
            await s.until_delivered(1)
            assert s.wrongs() == ["other channel", "no sequence", "unexpected message"]

    play(scene(), loop)


def test_a_second_reply_is_told(loop: str) -> None:
    async def scene() -> None:
        async with listening() as s:
            await s.server.say({"type": "subscribed", "channel": CHANNEL, "sequence": 0, "id": 1})
            await s.server.tell()
            await s.until_delivered(1)
            (told,) = s.desk.of("ws_delivery", Outcome.WRONG_REPLY)
            assert (told.error, told.marks) == ("second reply", ((Mark.SECOND_REPLY, 1),))

    play(scene(), loop)


def test_a_message_may_come_before_the_reply_to_the_subscription(loop: str) -> None:
    async def scene() -> None:
        async with channel_server() as server:
            desk, listener = FakeDesk(), subscriber(server.url)
            server.on_change = desk.changed
            server.answers["subscribe"] = f'{{"type":"message","channel":"{CHANNEL}","sequence":8,"data":null}}'
            async with playing(listener, desk):
                await desk.until(lambda: listener.totals.delivered == 1)
                reply = f'{{"type":"subscribed","channel":"{CHANNEL}","sequence":7,"id":1}}'
                await server.wires[0].send(reply)
                await desk.until(lambda: desk.count("ws_subscribe", OK) == 1)
                server.subscribed = server.wires
                await server.tell(number=9)
                await desk.until(lambda: listener.totals.delivered == 2)
                assert desk.count("ws_delivery", Outcome.WRONG_REPLY) == 0

    play(scene(), loop)


def test_a_user_pings_and_publishes(loop: str) -> None:
    async def scene() -> None:
        async with listening(heartbeat_s=0.02, publish_every_s=0.01, text="hello") as s:
            await s.desk.until(lambda: s.desk.count("ws_ping", OK) >= 3 and s.desk.count("ws_publish", OK) >= 5)
            await s.until_delivered(5)
        published = s.desk.count("ws_publish", OK)
        assert s.desk.count("ws_publish", Outcome.REFUSED) + published == s.desk.count("ws_publish")
        assert s.totals.delivered == published
        assert s.wrongs() == []

    play(scene(), loop)


def test_a_stop_closes_in_order_and_lets_the_last_replies_in(loop: str) -> None:
    async def scene() -> None:
        async with listening(publish_every_s=0.3, deadline_s=2.0) as s:
            s.server.answers["publish"] = None
            await s.desk.until(lambda: s.server.asked[-1]["type"] == "publish")
            s.desk.stop()
            await s.server.say({"type": "published", "sequence": 1, "id": s.server.asked[-1]["id"]})
            async with asyncio.timeout(1.0):
                await s.task
            assert s.desk.count("ws_publish", OK) == s.desk.count("ws_publish") == 1
            await s.desk.until(lambda: not s.server.wires)
            assert s.server.closes == [1000]
            assert s.desk.count("ws_drop") == 0

    play(scene(), loop)


@pytest.mark.parametrize("stage", ["connecting", "subscribing", "away"])
def test_a_stop_never_waits_longer_than_the_deadline(stage: str, loop: str) -> None:
    async def scene() -> None:
        arrived = asyncio.Event()

        async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            arrived.set()
            await reader.read()

        async with raw_server(hang) as hanging, channel_server() as server:
            server.answers["subscribe"] = None
            server.on_change = arrived.set
            if stage == "away":
                server.status = HTTPStatus.SERVICE_UNAVAILABLE
            options: dict[str, Any] = {"backoff_base_s": 60.0, "backoff_cap_s": 60.0} if stage == "away" else {}
            url = hanging if stage == "connecting" else server.url
            desk, listener = FakeDesk(), subscriber(url, deadline_s=0.2, **options)
            async with playing(listener, desk) as task:
                if stage == "away":
                    await desk.until(lambda: desk.count("ws_connect", Outcome.SHED) == 1)
                else:
                    async with asyncio.timeout(LIMIT_S):
                        await arrived.wait()
                desk.stop()
                async with asyncio.timeout(1.0):
                    await task
                assert desk.count("ws_drop") == 0

    play(scene(), loop)


@pytest.mark.parametrize("stage", ["subscribing", "listening", "rotating"])
def test_a_cancelled_session_leaves_nothing(stage: str, loop: str) -> None:
    async def scene() -> None:
        async with channel_server() as server:
            desk, listener = FakeDesk(), subscriber(server.url, rotate_s=0.02 if stage == "rotating" else 0.0)
            server.on_change = desk.changed
            before = asyncio.all_tasks()

            async def run() -> None:
                await listener(desk)

            task = asyncio.create_task(run())
            if stage == "subscribing":
                server.answers["subscribe"] = None
                await desk.until(lambda: server.opened == 1)
            else:
                await desk.until(lambda: bool(server.subscribed))
            if stage == "rotating":
                server.answers["subscribe"] = None
                await desk.until(lambda: len(server.wires) == 2)
            task.cancel()
            async with asyncio.timeout(LIMIT_S):
                await asyncio.wait([task])
            assert task.cancelled()
            assert not desk.open
            assert not [one for one in asyncio.all_tasks() - before if "harness/load" in str(one)]
            await desk.until(lambda: not server.wires)

    play(scene(), loop)


def test_load_publishes_through_a_session(loop: str) -> None:
    async def scene() -> None:
        async with listening() as s:
            call = Call("publish", 1, deadline_s=LIMIT_S)
            assert await s.listener.publish(call) is OK
            await s.until_delivered(1)
            s.server.answers["publish"] = {"type": "published"}
            assert await s.listener.publish(call) is Outcome.WRONG_REPLY
            s.server.answers["publish"] = {"type": "error", "error": "no redis"}
            assert await s.listener.publish(call) is Outcome.BAD_STATUS
            s.server.answers["publish"] = None
            assert await s.listener.publish(Call("publish", 2, deadline_s=0.05)) is Outcome.TIMED_OUT
            given_up = asyncio.create_task(s.listener.publish(call))
            lost = asyncio.create_task(s.listener.publish(Call("publish", 3, deadline_s=LIMIT_S)))
            await s.desk.pause(0.05)
            given_up.cancel()
            await asyncio.wait([given_up])
            assert given_up.cancelled()
            reset(s.server.wires[0].transport)
            async with asyncio.timeout(LIMIT_S):
                assert await lost is Outcome.RESET
            assert await s.listener.publish(call) is Outcome.REFUSED
            s.server.answers.clear()
        assert await s.listener.publish(call) is Outcome.REFUSED
        assert s.desk.count("ws_publish") == 0

    play(scene(), loop)


def test_one_reader_task_a_connection(loop: str) -> None:
    async def scene() -> None:
        async with listening(heartbeat_s=0.02) as s:
            before = asyncio.all_tasks() - {s.task}
            await s.desk.until(lambda: s.desk.count("ws_ping", OK) >= 3)
            ours = [task for task in before if "Link.run" in str(task)]
            assert len(ours) == 1

    play(scene(), loop)
