"""The connections of one user: the one in use and, while it is rotated, the next or the last one beside it.

A rotation opens and subscribes the next before it closes the last one, and
waits until that has delivered all that it still owes. Any other end of a
connection that stood is a drop, after which the user comes back with backoff.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from harness.load.call import Call, now_ns
from harness.load.engine.session import Desk
from harness.load.websocket.backoff import delays_s
from harness.load.websocket.inbox import Inbox, number_in
from harness.load.websocket.link import NEVER_NS, Link
from harness.load.websocket.sequence import Sequence, Totals
from harness.load.websocket.subscription import Subscription
from harness.records import Outcome

_NS_PER_S = 1e9


@dataclass(slots=True, eq=False)
class Leg:
    """One connection; its `numbers` come with the subscription.

    `subscribe_ns` is when that is due, and `retire_ns` when a connection that
    was rotated out is closed even if it has not delivered all; `connect_ns` is a duration.
    """

    link: Link = field(init=False)
    task: asyncio.Task[None] = field(init=False)
    numbers: Sequence | None = None
    opened_ns: int = field(default_factory=now_ns)
    subscribe_ns: int = 0
    subscribed_ns: int = NEVER_NS
    retire_ns: int = NEVER_NS
    connect_ns: int = 0


class Legs:
    """Opens, subscribes, rotates and replaces them; `wake` is called when there is news for `act`."""

    def __init__(
        self,
        plan: Subscription,
        channel: str,
        desk: Desk[object],
        tasks: asyncio.TaskGroup,
        *,
        user: int,
        totals: Totals,
        wake: Callable[[], None],
    ) -> None:
        self._plan = plan
        self._channel = channel
        self._desk = desk
        self._tasks = tasks
        self._user = user
        self._totals = totals
        self._wake = wake
        self._inbox = Inbox(desk, channel, user=user, totals=totals)
        self._leg: Leg | None = None
        self._next: Leg | None = None
        self._old: Leg | None = None
        # The newer connection of the rotation in progress.
        self._rotating: Leg | None = None
        self._connect_ns = 0
        self._last: int | None = None
        self._delays_s: Iterator[float] | None = None
        self._outages = 0

    @property
    def standing(self) -> Link | None:
        """The connection in use, if there is one."""
        return self._leg.link if self._leg is not None and self._leg.link.stood else None

    @property
    def subscribed(self) -> Link | None:
        """The connection in use, if it is subscribed."""
        return self._leg.link if self._leg is not None and self._leg.numbers is not None else None

    @property
    def due_ns(self) -> int:
        """When there is something to do next, unless news comes before."""
        due_ns = self._connect_ns if self._leg is None else NEVER_NS
        for leg in self._all():
            due_ns = min(due_ns, leg.link.due_ns, leg.retire_ns, leg.subscribe_ns if leg.link.stood else NEVER_NS)
        return due_ns

    async def act(self, now: int) -> None:
        """Do what is due: give up, let go, subscribe, connect."""
        self._note_endings()
        for leg in self._all():
            if leg.link.expire(now) & {"pong", "subscribed"}:
                leg.link.give_up("no reply")
            if now >= leg.retire_ns:
                leg.link.let_go(self._plan.deadline_s)
                leg.retire_ns = NEVER_NS
            if leg.link.stood and now >= leg.subscribe_ns:
                await self._subscribe(leg)
        if self._leg is None and now >= self._connect_ns:
            self._leg = self._open()

    async def leave(self) -> None:
        """Close all in order, within the deadline."""
        self._note_endings()
        legs = self._all()
        for leg in legs:
            leg.link.let_go(self._plan.deadline_s)
        if legs:
            await asyncio.wait([leg.task for leg in legs], timeout=self._plan.deadline_s)
        for leg in legs:
            leg.task.cancel()

    def begin(self, operation: str, late_ns: int = 0) -> Call:
        """Return a call that was due `late_ns` ago."""
        call = self._desk.begin(operation, user=self._user)
        call.deadline_s = self._plan.deadline_s
        call.intended_ns = call.sent_ns - late_ns
        return call

    def rotate(self) -> None:
        """Open the next connection before the one in use is closed; one rotation at a time."""
        if self._leg is not None and self._leg.numbers is not None and self._rotating is None:
            self._next = self._rotating = self._open()

    def _all(self) -> list[Leg]:
        return [leg for leg in (self._next, self._old, self._leg) if leg is not None]

    def _open(self) -> Leg:
        leg = Leg()

        def end_connect(call: Call, outcome: Outcome, _reply: Mapping[str, Any]) -> None:
            leg.connect_ns = call.connect_ns
            self._desk.end(call, outcome)

        leg.link = Link(partial(self._hear, leg), self._wake, self._inbox.repeat)
        running = leg.link.run(self._plan.address, partial(self.begin, "ws_connect"), end_connect)
        leg.task = self._tasks.create_task(running)
        return leg

    async def _subscribe(self, leg: Leg) -> None:
        leg.subscribe_ns = NEVER_NS
        question = {"type": "subscribe", "channel": self._channel}
        await leg.link.ask(question, "subscribed", self.begin("ws_subscribe"), partial(self._end_subscribe, leg))

    def _end_subscribe(self, leg: Leg, call: Call, outcome: Outcome, reply: Mapping[str, Any]) -> None:
        outcome = numbered(call, outcome, reply)
        self._desk.end(call, outcome)
        if outcome is Outcome.OK:
            if leg.numbers is None:
                self._start(leg, reply["sequence"])
        elif leg is self._next:
            leg.link.give_up(call.error, outcome)
        else:
            leg.subscribe_ns = now_ns() + self._delay_ns()
        self._wake()

    def _start(self, leg: Leg, reached: int) -> None:
        """Hear from now on what follows on `reached`."""
        leg.subscribed_ns = now_ns()
        if leg is self._next and self._leg is not None and self._leg.numbers is not None:
            leg.numbers = self._leg.numbers.hand_over(reached)
            self._leg, self._next, self._old = leg, None, self._leg
            self._old.retire_ns = leg.subscribed_ns + int(self._plan.deadline_s * _NS_PER_S)
            self._let_go_when_whole(self._old)
        else:
            leg.numbers = self._inbox.resume(self._last, reached)

    def _hear(self, leg: Leg, document: dict[str, Any]) -> None:
        if leg.numbers is None and document.get("type") == "message" and (number := number_in(document)) is not None:
            # The reply to the subscription may follow the first messages.
            self._start(leg, number - 1)
        self._inbox.take(document, leg.numbers)
        if leg is self._old:
            self._let_go_when_whole(leg)

    def _let_go_when_whole(self, old: Leg) -> None:
        if old.numbers is None or old.numbers.lacking == 0:
            old.link.let_go(self._plan.deadline_s)

    def _note_endings(self) -> None:
        for leg in self._all():
            if leg.link.ending is not None:
                self._note_ending(leg, *leg.link.ending)

    def _note_ending(self, leg: Leg, outcome: Outcome, label: str) -> None:
        if leg is self._next:
            self._next = None
            self._end_rotation(outcome, label)
        elif leg is self._old:
            self._old = None
            self._note_old_ending(leg, outcome, label)
        else:
            self._leg = None
            if leg.link.stood:
                self._drop(outcome, label)
            self._come_back(leg)
            if self._next is not None:
                self._leg, self._next = self._next, None
                self._end_rotation(outcome, label)

    def _note_old_ending(self, old: Leg, outcome: Outcome, label: str) -> None:
        lacking = 0 if old.numbers is None else old.numbers.lacking
        self._inbox.miss(lacking)
        if outcome is not Outcome.OK:
            self._drop(outcome, label)
        elif lacking:
            outcome, label = Outcome.TIMED_OUT, "old connection behind"
        else:
            self._totals.rotations += 1
        self._end_rotation(outcome, label)

    def _come_back(self, lost: Leg) -> None:
        if lost.numbers is not None:
            self._last = lost.numbers.last
        now = now_ns()
        # A connection that was soon lost again did not end the outage.
        if now - lost.subscribed_ns > self._plan.backoff_cap_s * _NS_PER_S:
            self._delays_s = None
        self._connect_ns = now + self._delay_ns()

    def _delay_ns(self) -> int:
        if self._delays_s is None:
            self._outages += 1
            rng = random.Random(f"{self._plan.seed}/{self._user}/{self._outages}")
            plan = self._plan
            self._delays_s = delays_s(base_s=plan.backoff_base_s, cap_s=plan.backoff_cap_s, rng=rng)
        return int(next(self._delays_s) * _NS_PER_S)

    def _drop(self, outcome: Outcome, label: str) -> None:
        self._totals.drops += 1
        call = self.begin("ws_drop")
        self._desk.end(call, call.fail(outcome, label))

    def _end_rotation(self, outcome: Outcome, label: str) -> None:
        leg, self._rotating = self._rotating, None
        if leg is not None:
            call = self.begin("ws_rotation")
            call.intended_ns = call.sent_ns = call.sent_ns - (now_ns() - leg.opened_ns)
            call.connect_ns = leg.connect_ns
            self._desk.end(call, call.fail(outcome, label))


def numbered(call: Call, outcome: Outcome, reply: Mapping[str, Any]) -> Outcome:
    """Return the outcome, if the reply has the number that it should have."""
    if outcome is Outcome.OK and number_in(reply) is None:
        return call.fail(Outcome.WRONG_REPLY, "no sequence")
    return outcome
