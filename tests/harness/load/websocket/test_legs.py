from __future__ import annotations

import asyncio
import time
from http import HTTPStatus

import pytest

from harness.load.call import now_ns
from harness.load.websocket.legs import Leg, Legs
from harness.load.websocket.sequence import Totals
from harness.records import Outcome
from infra.ports import free_ports
from tests.harness.load.websocket.channel_server import CHANNEL, channel_server, reset
from tests.harness.load.websocket.desk import LOOPS, FakeDesk, play, playing
from tests.harness.load.websocket.listening import OK, listening, subscriber

pytestmark = pytest.mark.parametrize("loop", LOOPS)


@pytest.mark.parametrize("ending", ["rst", "1013", "1011", "nonsense"])
def test_a_drop_is_recorded_and_the_subscription_restored(ending: str, loop: str) -> None:
    async def scene() -> None:
        async with listening() as s:
            await s.server.tell()
            await s.until_delivered(1)
            (wire,) = s.server.wires
            if ending == "rst":
                reset(wire.transport)
            elif ending == "nonsense":
                await s.server.say("?")
            else:
                await wire.close(int(ending))
            s.server.sequence += 4
            await s.desk.until(lambda: s.totals.drops == 1)
            await s.until_subscribed(2)
            await s.server.tell()
            await s.until_delivered(2)
            expected = {
                "rst": (Outcome.RESET, "lost"),
                "1013": (Outcome.SHED, "closed 1013"),
                "1011": (Outcome.BAD_STATUS, "closed 1011"),
                "nonsense": (Outcome.WRONG_REPLY, "not a JSON object"),
            }
            assert s.drops() == [expected[ending]]
            assert (s.totals.gaps, s.wrongs()) == (4, ["gap of 4"])

    play(scene(), loop)


def test_a_count_that_went_back_while_away_is_told(loop: str) -> None:
    async def scene() -> None:
        async with listening() as s:
            for _ in range(3):
                await s.server.tell()
            await s.until_delivered(3)
            s.server.sequence = 1
            reset(s.server.wires[0].transport)
            await s.until_subscribed(2)
            await s.server.tell()
            await s.until_delivered(4)
            assert (s.totals.recounts, s.totals.gaps, s.wrongs()) == (1, 0, ["count lost"])

    play(scene(), loop)


def test_a_half_open_link_is_found_by_its_ping(loop: str) -> None:
    async def scene() -> None:
        async with listening(heartbeat_s=0.05, deadline_s=0.2, publish_every_s=0.1) as s:
            s.server.answers.update(ping=None, publish=None)
            await s.desk.until(lambda: s.totals.drops == 1)
            s.server.answers.clear()
            await s.until_subscribed(2)
            await s.desk.until(lambda: s.desk.samples[-1].operation == "ws_ping" and s.desk.samples[-1].outcome is OK)
            assert s.drops() == [(Outcome.TIMED_OUT, "no reply")]
            lost = s.desk.of("ws_ping", Outcome.TIMED_OUT)
            assert lost
            assert lost[0].error == "no pong"
            assert 0.2 <= lost[0].response_s < 0.5
            assert {one.outcome for one in s.desk.of("ws_publish")} <= {OK, Outcome.TIMED_OUT, Outcome.REFUSED}

    play(scene(), loop)


def test_a_server_that_is_not_there_yet_is_tried_again(loop: str) -> None:
    async def scene() -> None:
        (port,) = free_ports(1)
        desk, listener = FakeDesk(), subscriber(f"ws://127.0.0.1:{port}", publish_every_s=0.01)
        async with playing(listener, desk):
            await desk.until(lambda: desk.count("ws_connect", Outcome.REFUSED) >= 3)
            assert set(desk.of("ws_publish")) == set(desk.of("ws_publish", Outcome.REFUSED))
            async with channel_server(port) as server:
                await desk.until(lambda: listener.totals.delivered > 0)
                assert server.opened == 1
                assert listener.totals.drops == 0

    play(scene(), loop)


def test_a_denied_subscription_is_asked_for_again_on_the_same_connection(loop: str) -> None:
    async def scene() -> None:
        async with channel_server() as server:
            desk, listener = FakeDesk(), subscriber(server.url)
            server.on_change = desk.changed
            server.answers["subscribe"] = {"type": "error", "error": "cannot subscribe now"}
            async with playing(listener, desk):
                await desk.until(lambda: desk.count("ws_subscribe", Outcome.BAD_STATUS) >= 2)
                server.answers["subscribe"] = {"type": "subscribed", "channel": CHANNEL, "sequence": None}
                await desk.until(lambda: desk.count("ws_subscribe", Outcome.WRONG_REPLY) >= 1)
                server.answers.clear()
                await desk.until(lambda: bool(server.subscribed))
                assert (server.opened, listener.totals.drops) == (1, 0)

    play(scene(), loop)


def test_a_subscription_without_an_answer_drops_the_connection(loop: str) -> None:
    async def scene() -> None:
        async with channel_server() as server:
            desk, listener = FakeDesk(), subscriber(server.url, deadline_s=0.05)
            server.on_change = desk.changed
            server.answers["subscribe"] = None
            async with playing(listener, desk):
                await desk.until(lambda: listener.totals.drops >= 1)
                server.answers.clear()
                await desk.until(lambda: desk.count("ws_subscribe", OK) == 1)
                assert desk.of("ws_subscribe")[0].outcome is Outcome.TIMED_OUT

    play(scene(), loop)


@pytest.mark.parametrize("behind", [0, 3])
def test_rotations_lose_and_double_nothing(behind: int, loop: str) -> None:
    async def scene() -> None:
        async with listening(rotate_s=0.05, heartbeat_s=0.03) as s:
            count = 0
            while s.totals.rotations < 5:
                # The first messages are heard by one connection only: nothing is behind them.
                s.server.behind = behind if count >= behind else 0
                await s.server.tell({"sent_unix_ns": time.time_ns()})
                count += 1
                await s.desk.until(lambda: s.totals.delivered + s.totals.rotations > 0)
                await s.desk.pause(0.001)
            await s.until_delivered(count)
            assert s.totals.delivered == count
            assert (s.wrongs(), s.drops()) == ([], [])
            assert s.desk.count("ws_rotation", OK) == s.totals.rotations
            rotation = s.desk.of("ws_rotation")[0]
            assert 0 < rotation.connect_s <= rotation.response_s
            assert len(s.server.wires) <= 2
        assert set(s.server.closes) == {1000}

    play(scene(), loop)


def test_a_rotation_that_fails_leaves_the_connection_in_use(loop: str) -> None:
    async def scene() -> None:
        async with listening(rotate_s=0.03, deadline_s=0.1) as s:
            s.server.status = HTTPStatus.SERVICE_UNAVAILABLE
            await s.desk.until(lambda: s.desk.count("ws_rotation", Outcome.SHED) >= 1)
            s.server.status, s.server.answers["subscribe"] = None, {"type": "error", "error": "full"}
            await s.desk.until(lambda: s.desk.count("ws_rotation", Outcome.BAD_STATUS) >= 1)
            s.server.answers["subscribe"] = None
            await s.desk.until(lambda: s.desk.count("ws_rotation", Outcome.TIMED_OUT) >= 1)
            assert s.totals.rotations == s.totals.drops == 0
            await s.server.tell()
            await s.until_delivered(1)
            s.server.answers.clear()
            await s.desk.until(lambda: s.totals.rotations >= 1)
            assert s.totals.drops == 0

    play(scene(), loop)


def test_a_drop_in_a_rotation_leaves_the_new_connection(loop: str) -> None:
    async def scene() -> None:
        async with listening(rotate_s=0.03) as s:
            s.server.answers["subscribe"] = None
            await s.server.tell()
            await s.until_delivered(1)
            await s.desk.until(lambda: len(s.server.wires) == 2)
            reset(s.server.subscribed[0].transport)
            await s.desk.until(lambda: s.totals.drops == 1)
            opened = s.server.opened
            # By the other one's place in the count, two are missed.
            s.server.answers.clear()
            s.server.sequence += 2
            await s.server.wires[-1].send(
                f'{{"type":"subscribed","channel":"{CHANNEL}","sequence":{s.server.sequence},"id":1}}'
            )
            await s.desk.until(lambda: s.totals.gaps == 2)
            assert opened == 2
            assert s.desk.count("ws_rotation", Outcome.RESET) == 1

    play(scene(), loop)


def test_an_old_connection_that_stays_behind_is_closed_and_its_loss_told(loop: str) -> None:
    async def scene() -> None:
        async with listening(rotate_s=0.03, deadline_s=0.1) as s:
            s.server.sequence += 3
            await s.desk.until(lambda: s.desk.count("ws_rotation") >= 1)
            rotation = s.desk.of("ws_rotation")[0]
            assert (rotation.outcome, rotation.error) == (Outcome.TIMED_OUT, "old connection behind")
            assert (s.totals.gaps, s.wrongs()) == (3, ["gap of 3"])
            assert s.totals.drops == 0

    play(scene(), loop)


def test_the_seed_and_the_user_draw_the_delays(loop: str) -> None:
    def drawn(seed: int, user: int) -> list[int]:
        plan = subscriber("ws://127.0.0.1:1", seed=seed).subscription
        tasks = asyncio.TaskGroup()
        legs = Legs(plan, CHANNEL, FakeDesk(), tasks, user=user, totals=Totals(), wake=lambda: None)
        return [legs._delay_ns() for _ in range(5)]

    async def scene() -> None:
        assert drawn(1, 1) == drawn(1, 1)
        assert len({tuple(drawn(seed, user)) for seed in (1, 2) for user in (1, 2)}) == 4

    play(scene(), loop)


def test_only_a_connection_that_lasted_ends_an_outage(loop: str) -> None:
    async def scene() -> None:
        plan = subscriber("ws://127.0.0.1:1").subscription
        legs = Legs(plan, CHANNEL, FakeDesk(), asyncio.TaskGroup(), user=1, totals=Totals(), wake=lambda: None)
        for lasted_s, outages in ((0.0, 1), (0.0, 1), (2 * plan.backoff_cap_s, 2)):
            legs._come_back(Leg(subscribed_ns=now_ns() - round(lasted_s * 1e9)))
            assert legs._outages == outages

    play(scene(), loop)


def test_an_old_connection_may_still_tell_what_it_owes(loop: str) -> None:
    async def scene() -> None:
        async with listening(rotate_s=0.03) as s:
            s.server.sequence += 2
            await s.desk.until(lambda: s.desk.count("ws_subscribe", OK) == 2)
            old = s.server.wires[0]
            for number in (1, 2, 3):
                await old.send(f'{{"type":"message","channel":"{CHANNEL}","sequence":{number},"data":null}}')
            await s.desk.until(lambda: s.totals.rotations >= 1)
            # The third is the new connection's to tell.
            assert (s.totals.delivered, s.totals.gaps, s.wrongs()) == (2, 0, [])

    play(scene(), loop)
