"""A user who listens: subscribed for as long as the load lasts, and back after every drop.

One task decides what is due (connect, subscribe, ping, publish, rotate) and
sends; one task a connection reads. Every step is a call of its own: `ws_connect`,
`ws_subscribe`, `ws_ping`, `ws_publish`, `ws_delivery` for each message, gap and
duplicate, `ws_rotation`, and `ws_drop` for each other end of a connection.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from typing import Any

from harness.load.call import NOBODY, Call, now_ns
from harness.load.engine.session import Desk
from harness.load.websocket.legs import Legs, numbered
from harness.load.websocket.link import NEVER_NS, Link, Settle
from harness.load.websocket.sequence import Totals
from harness.load.websocket.subscription import Periodic, Subscription
from harness.records import Outcome

# uvloop's timers go in whole milliseconds and may end early; a shorter pause would only spin.
_STEP_S = 0.001
_NS_PER_S = 1e9


class Subscriber:
    """One user on one channel: a session, and what publishes through it. `totals` may be shared with others."""

    def __init__(
        self, subscription: Subscription, channel: str, *, user: int = NOBODY, totals: Totals | None = None
    ) -> None:
        self.subscription = subscription
        self.channel = channel
        self.user = user
        self.totals = totals or Totals()
        self._run: _Run | None = None

    async def __call__(self, desk: Desk[object]) -> None:
        """Listen until the load stops, then close in order within the deadline."""
        async with asyncio.TaskGroup() as tasks:
            self._run = _Run(self, desk, tasks)
            try:
                await self._run.play()
            finally:
                self._run = None

    async def publish(self, call: Call) -> Outcome:
        """Publish to the channel as `call` and return how that ended; REFUSED, at once, while not connected."""
        if self._run is None:
            return call.fail(Outcome.REFUSED, "not connected")
        return await self._run.publish(call)


class _Run:
    """One run of one subscriber: what it does every so often."""

    def __init__(self, subscriber: Subscriber, desk: Desk[object], tasks: asyncio.TaskGroup) -> None:
        self._plan = plan = subscriber.subscription
        self._channel = subscriber.channel
        self._user = user = subscriber.user
        self._desk = desk
        self._legs = Legs(plan, self._channel, desk, tasks, user=user, totals=subscriber.totals, wake=self._wake)
        self._rng = random.Random(f"{plan.seed}/{user}")
        self._ping = Periodic(plan.heartbeat_s, self._rng)
        # Publishing begins with the first subscription; from then on it goes on, connected or not.
        self._publish: Periodic | None = None
        self._rotate = Periodic(plan.rotate_s, self._rng)
        self._published = 0
        self._news = False
        self._alarm: asyncio.Timeout | None = None

    async def play(self) -> None:
        """Do what is due until the load stops."""
        while not self._desk.stopping:
            await self._act(now_ns())
            await self._rest()
        await self._legs.leave()

    async def publish(self, call: Call) -> Outcome:
        """Publish for a call of any user."""
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def settle(call: Call, outcome: Outcome, reply: Mapping[str, Any]) -> None:
            if not answer.done():
                answer.set_result(numbered(call, outcome, reply))

        link = self._legs.subscribed
        asked = await self._ask_publish(link, call, settle)
        try:
            async with asyncio.timeout(call.deadline_s):
                return await answer
        except TimeoutError:
            return call.fail(Outcome.TIMED_OUT, "no published")
        finally:
            if link is not None:
                link.forget(asked)

    async def _act(self, now: int) -> None:
        await self._legs.act(now)
        late_ns = self._ping.late_ns(now)
        if late_ns is not None and (link := self._legs.standing) is not None:
            await link.ask({"type": "ping"}, "pong", self._legs.begin("ws_ping", late_ns), self._end)
        if self._publish is None and self._legs.subscribed is not None:
            self._publish = Periodic(self._plan.publish_every_s, self._rng)
        while self._publish is not None and (late_ns := self._publish.late_ns(now)) is not None:
            await self._ask_publish(self._legs.subscribed, self._legs.begin("ws_publish", late_ns), self._end_publish)
        if self._rotate.late_ns(now) is not None:
            self._legs.rotate()

    async def _rest(self) -> None:
        """Wait until something is due, a connection has news, or the load ends."""
        publish_ns = NEVER_NS if self._publish is None else self._publish.due_ns
        due_ns = min(self._ping.due_ns, publish_ns, self._rotate.due_ns, self._legs.due_ns)
        if not self._news:
            try:
                async with asyncio.timeout(None) as self._alarm:
                    await self._desk.pause(max(_STEP_S, (due_ns - now_ns()) / _NS_PER_S))
            except TimeoutError:
                # Woken: there is news.
                pass
            finally:
                self._alarm = None
        self._news = False

    def _wake(self) -> None:
        self._news = True
        if self._alarm is not None:
            self._alarm.reschedule(0.0)
            self._alarm = None

    async def _ask_publish(self, link: Link | None, call: Call, settle: Settle) -> int:
        """Ask to publish, and return the question's id."""
        if link is None:
            settle(call, call.fail(Outcome.REFUSED, "not connected"), {})
            return 0
        self._published += 1
        data = {
            # When it was meant to leave: a late generator is no faster system.
            "sent_unix_ns": time.time_ns() - (call.sent_ns - call.intended_ns),
            "from": self._user,
            "n": self._published,
            "text": self._plan.text,
        }
        return await link.ask({"type": "publish", "channel": self._channel, "data": data}, "published", call, settle)

    def _end(self, call: Call, outcome: Outcome, _reply: Mapping[str, Any]) -> None:
        self._desk.end(call, outcome)

    def _end_publish(self, call: Call, outcome: Outcome, reply: Mapping[str, Any]) -> None:
        self._desk.end(call, numbered(call, outcome, reply))
