"""Virtual users: a closed model for what people do, who wait for one answer before they ask again, and think between.

It hides a system's slowness where the open model shows it (a slow system is
asked less), so it is for session-shaped flows and no substitute for arrivals.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.load.engine.session import Desk, Session
from harness.load.schedule.mix import Mix

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Users:
    """`count` users, the last of whom begins `over_s` seconds after the first.

    Each does the operations `first` once, in order, and then draws from `mix` to
    the end, thinking before each for an exponential time of mean `think_s` seconds.
    """

    count: int
    mix: Mix
    think_s: float
    over_s: float = 0.0
    first: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for a negative number."""
        if min(self.count, self.think_s, self.over_s) < 0:
            raise ValueError(f"users, their thinking and the time they come over must not be negative: {self}")

    def begin_s(self, user: int) -> float:
        """Return when a user begins, in seconds from the load's start: spread evenly."""
        return self.over_s * user / self.count

    def flow(self, user: int, seed: int) -> Iterator[tuple[float, str]]:
        """Yield for ever what a user does: how long they think first, in seconds, and the operation."""
        yield from ((0.0, operation) for operation in self.first)
        rng = random.Random(f"{seed}/{user}")
        for operation in self.mix.draw(rng.randrange(2**32)):
            yield (rng.expovariate(1 / self.think_s) if self.think_s else 0.0), operation

    def sessions(self, seed: int, *, shard: int, of: int) -> Iterator[tuple[float, Session[Any]]]:
        """Yield each user of one share of `of` as a session, with the time it begins."""
        for user in range(shard, self.count, of):
            yield self.begin_s(user), _UserSession(self, user, seed)


@dataclass(frozen=True, slots=True)
class _UserSession:
    users: Users
    user: int
    seed: int

    async def __call__(self, desk: Desk[Any]) -> None:
        for think_s, operation in self.users.flow(self.user, self.seed):
            due_ns = desk.now_ns() + round(think_s * _NS_PER_S)
            if not await desk.pause(think_s):
                return
            # A timer may end a little early; no user asks before its think time is over.
            await desk.perform(operation, user=self.user, due_ns=min(due_ns, desk.now_ns()))
