"""How users subscribe, and the schedule of what they do every so often."""

from __future__ import annotations

import random
from dataclasses import dataclass

from harness.load.call import DEADLINE_S, now_ns
from harness.load.websocket.link import NEVER_NS
from harness.load.websocket.opening import Address

_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What all users of a load share; durations in seconds, where 0 means never for what is done every so often.

    A reply is given up after `deadline_s`; a ping or a subscription without one
    drops the connection. `text` is published beside what distinguishes
    the messages. What is periodic begins at a part of its period that `seed` draws for
    each user, so that users who came together do not act in step.
    """

    address: Address
    deadline_s: float = DEADLINE_S
    heartbeat_s: float = 10.0
    rotate_s: float = 0.0
    publish_every_s: float = 0.0
    text: str = ""
    backoff_base_s: float = 0.1
    backoff_cap_s: float = 5.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.deadline_s <= 0 or min(self.heartbeat_s, self.rotate_s, self.publish_every_s) < 0:
            raise ValueError("deadline_s must be above 0, and no period below it")
        if not 0 < self.backoff_base_s <= self.backoff_cap_s:
            raise ValueError("backoff needs 0 < backoff_base_s <= backoff_cap_s")


class Periodic:
    """When something is due next, in `now_ns`; on an absolute schedule, so that a late one delays no other."""

    __slots__ = ("_period_ns", "due_ns")

    def __init__(self, period_s: float, rng: random.Random) -> None:
        self._period_ns = int(period_s * _NS_PER_S)
        self.due_ns = now_ns() + int(self._period_ns * rng.random()) if self._period_ns else NEVER_NS

    def late_ns(self, now: int) -> int | None:
        """Return how late this is and make the next one due; None if it is not due yet."""
        late_ns = now - self.due_ns
        if late_ns < 0:
            return None
        self.due_ns += self._period_ns
        return late_ns
