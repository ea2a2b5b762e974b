"""A subscriber at a server that a test controls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from harness.load.websocket.opening import Address
from harness.load.websocket.subscriber import Subscriber
from harness.load.websocket.subscription import Subscription
from harness.records import Outcome
from tests.harness.load.websocket.channel_server import CHANNEL, ChannelServer, channel_server
from tests.harness.load.websocket.desk import LIMIT_S, FakeDesk, playing

OK = Outcome.OK
SOON: dict[str, Any] = {"backoff_base_s": 0.01, "backoff_cap_s": 0.05}


def subscriber(url: str, *, connect_s: float = LIMIT_S, user: int = 3, **options: Any) -> Subscriber:
    address = Address(url=url, connect_s=connect_s)
    return Subscriber(Subscription(address=address, **{"heartbeat_s": 0.0, **SOON, **options}), CHANNEL, user=user)


class Scene:
    """A server, a subscriber that is subscribed to it, and the desk between."""

    def __init__(self, server: ChannelServer, listener: Subscriber, desk: FakeDesk, task: asyncio.Task[None]) -> None:
        self.server = server
        self.listener = listener
        self.totals = listener.totals
        self.desk = desk
        self.task = task

    async def until_subscribed(self, times: int = 1) -> None:
        await self.desk.until(lambda: self.desk.count("ws_subscribe", OK) >= times and bool(self.server.subscribed))

    async def until_delivered(self, count: int) -> None:
        await self.desk.until(lambda: self.totals.delivered >= count)

    def wrongs(self) -> list[str]:
        return [sample.error for sample in self.desk.of("ws_delivery", Outcome.WRONG_REPLY)]

    def drops(self) -> list[tuple[Outcome, str]]:
        return [(sample.outcome, sample.error) for sample in self.desk.of("ws_drop")]


@asynccontextmanager
async def listening(**options: Any) -> AsyncIterator[Scene]:
    async with channel_server() as server:
        desk, listener = FakeDesk(), subscriber(server.url, **options)
        server.on_change = desk.changed
        async with playing(listener, desk) as task:
            scene = Scene(server, listener, desk, task)
            await scene.until_subscribed()
            yield scene
