"""The load's subscribers against the reference service: what it does to them, they tell."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from harness.load.websocket.opening import Address
from harness.load.websocket.subscriber import Subscriber
from harness.load.websocket.subscription import Subscription
from harness.records import Outcome
from harness.wait import wait_until
from tests.harness.load.websocket.desk import LOOPS, FakeDesk, play, playing
from tests.infra.services.rig import MakeApi, Program, Service

pytestmark = [pytest.mark.parametrize("loop", LOOPS), pytest.mark.thorough, pytest.mark.alone]

OK = Outcome.OK


class Crowd:
    """Subscribers of one channel, and the desk that they share."""

    def __init__(self, api: Service, channel: str, *, users: int, **options: Any) -> None:
        self.desk = FakeDesk()
        address = Address(url=f"{api.url.replace('http', 'ws')}/ws")
        plan = Subscription(address=address, **{"backoff_base_s": 0.02, "backoff_cap_s": 0.2, **options})
        self.users = [Subscriber(plan, channel, user=user) for user in range(users)]

    async def until_all(self, wanted: str, count: int) -> None:
        await self.desk.until(lambda: min(getattr(user.totals, wanted) for user in self.users) >= count)

    async def until_subscribed(self, count: int) -> None:
        await self.desk.until(lambda: self.desk.count("ws_subscribe", OK) >= count)

    def sum(self, wanted: str) -> int:
        return sum(getattr(user.totals, wanted) for user in self.users)


@asynccontextmanager
async def crowd(api: Service, channel: str, *, users: int, **options: Any) -> AsyncIterator[Crowd]:
    made = Crowd(api, channel, users=users, **options)

    async def session(desk: Any) -> None:
        async with asyncio.TaskGroup() as tasks:
            for user in made.users:
                tasks.create_task(user(desk))

    async with playing(session, made.desk):
        await made.until_subscribed(users)
        yield made


async def post(api: Service, channel: str, count: int) -> None:
    def send() -> None:
        with api.client() as client:
            for number in range(count):
                assert client.post(f"/publish/{channel}", json={"data": {"n": number}}).status_code == 200

    await asyncio.to_thread(send)


def test_everyone_hears_everyone(api: Service, loop: str) -> None:
    async def scene() -> None:
        async with crowd(api, f"all-{loop}", users=10, publish_every_s=0.1, heartbeat_s=0.1, text="x" * 100) as c:
            await c.until_all("delivered", 100)
            assert c.desk.count("ws_ping", OK) >= 10
            assert c.sum("gaps") == c.sum("duplicates") == c.sum("drops") == 0
            assert all(sample.outcome is OK for sample in c.desk.samples if sample.operation != "ws_publish")

    play(scene(), loop)


def test_rotations_during_publishing_lose_and_double_nothing(api: Service, loop: str) -> None:
    async def scene() -> None:
        options: dict[str, Any] = {"publish_every_s": 0.02, "rotate_s": 0.1}
        async with crowd(api, f"rotating-{loop}", users=5, **options) as c:
            await c.until_all("rotations", 5)
            assert c.sum("gaps") == c.sum("duplicates") == c.sum("drops") == c.sum("recounts") == 0
            assert set(c.desk.of("ws_rotation")) == set(c.desk.of("ws_rotation", OK))
            deliveries = [sample.error for sample in c.desk.of("ws_delivery")]
            assert set(deliveries) == {""}

    play(scene(), loop)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_is_a_drop_and_what_it_cost_is_told(
    api: Service, make_api: MakeApi, stop: signal.Signals, loop: str
) -> None:
    async def scene() -> None:
        restarted, channel = await asyncio.to_thread(make_api), f"restart-{loop}-{stop}"
        async with crowd(restarted, channel, users=5) as c:
            await post(api, channel, 3)
            await c.until_all("delivered", 3)
            restarted.signal(stop)
            await c.until_all("drops", 1)
            await asyncio.to_thread(restarted.stop)
            await post(api, channel, 4)
            await asyncio.to_thread(restarted.start)
            await c.until_subscribed(10)
            await post(api, channel, 2)
            await c.until_all("delivered", 5)
            assert [(user.totals.gaps, user.totals.duplicates) for user in c.users] == [(4, 0)] * 5
            assert {sample.outcome for sample in c.desk.of("ws_drop")} == {Outcome.RESET}
            assert c.desk.count("ws_connect", Outcome.REFUSED) > 0
            assert {one.error for one in c.desk.of("ws_delivery", Outcome.WRONG_REPLY)} == {"gap of 4"}
        wait_until("gone", lambda: None if restarted.metric("hw_sessions") == 0 else "there", limit_s=5)

    play(scene(), loop)


def test_a_paused_service_is_found_half_open(make_api: MakeApi, loop: str) -> None:
    async def scene() -> None:
        paused = await asyncio.to_thread(make_api)
        async with crowd(paused, f"paused-{loop}", users=3, heartbeat_s=0.1, deadline_s=0.5) as c:
            paused.signal(signal.SIGSTOP)
            await c.until_all("drops", 1)
            paused.signal(signal.SIGCONT)
            await c.until_subscribed(6)
            assert {sample.outcome for sample in c.desk.of("ws_drop")} == {Outcome.TIMED_OUT}
            assert c.desk.count("ws_ping", Outcome.TIMED_OUT) >= 3

    play(scene(), loop)


def test_without_redis_nobody_is_dropped_and_the_lost_count_is_told(
    api: Service, redis_server: tuple[Program, str], loop: str
) -> None:
    async def scene() -> None:
        async with crowd(api, f"redis-{loop}", users=3, publish_every_s=0.05) as c:
            # So high that the new count cannot have passed the old one when the service listens again.
            await post(api, f"redis-{loop}", 400)
            await c.until_all("delivered", 400)
            await asyncio.to_thread(redis_server[0].stop)
            try:
                await c.desk.until(lambda: c.desk.count("ws_publish", Outcome.BAD_STATUS) > 3)
            finally:
                await asyncio.to_thread(redis_server[0].start)
            await c.until_all("recounts", 1)
            heard = min(user.totals.delivered for user in c.users)
            await c.until_all("delivered", heard + 10)
            assert c.sum("drops") == 0

    play(scene(), loop)


def test_a_denied_subscription_holds_until_redis_is_back(
    api: Service, redis_server: tuple[Program, str], loop: str
) -> None:
    async def scene() -> None:
        desk = FakeDesk()
        address = Address(url=f"{api.url.replace('http', 'ws')}/ws")
        user = Subscriber(Subscription(address=address, backoff_base_s=0.02, backoff_cap_s=0.2), f"later-{loop}")
        await asyncio.to_thread(redis_server[0].stop)
        async with playing(user, desk):
            try:
                await desk.until(lambda: desk.count("ws_subscribe", Outcome.BAD_STATUS) > 0)
            finally:
                await asyncio.to_thread(redis_server[0].start)
            await desk.until(lambda: desk.count("ws_subscribe", OK) == 1)
            assert (desk.count("ws_connect"), user.totals.drops) == (1, 0)

    play(scene(), loop)
