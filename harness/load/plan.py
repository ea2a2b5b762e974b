"""A whole load as one value that can be sent to where it is played: settings, schedule, addresses, seed.

Shares of it are exact: each worker walks the one schedule and takes every n-th
arrival, so that together they send what one would have sent, each request once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, count, islice

from harness.errors import EnvironmentMissing
from harness.load.clients.clients import Addresses, Clients, open_clients
from harness.load.engine.engine import SESSION_NUMBERS, Part
from harness.load.schedule.arrivals import Stage, schedule
from harness.load.schedule.pacer import Arrival
from harness.load.settings import LoadSettings


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What is sent where: `stages` give the rate over time, `run` is the run's id and `seed` that of every draw."""

    settings: LoadSettings
    stages: tuple[Stage, ...]
    addresses: Addresses
    run: str
    seed: int

    def arrivals(self) -> Iterator[Arrival]:
        """Yield the arrivals of the whole load, each with its operation; the first ask for each operation once.

        Left to the draw, a rare one might not come while steady state is proved, and the run would end unproved.
        """
        due_s = schedule(*self.stages, poisson_seed=self.seed if self.settings.poisson else None)
        mix = self.settings.mix
        names = chain((name for name, weight in mix.weights.items() if weight), mix.draw(self.seed))
        return (Arrival(n, t_s, name) for n, (t_s, name) in enumerate(zip(due_s, names, strict=False)))

    def cancel_s(self, number: int) -> float | None:
        """Return when the caller of that number gives up, in seconds from the send; never in one of the first arrivals.

        Those show that each operation works at all.
        """
        cancels = self.settings.cancels
        if cancels is None or number < len(self.settings.mix.weights):
            return None
        return cancels.after_s(self.seed, number)

    def part(self, shard: int = 0, of: int = 1) -> Part[Clients]:
        """Return share number `shard` of `of`.

        Raises EnvironmentMissing when an operation needs a service of which there is no address.
        """
        settings, addresses = self.settings, self.addresses
        needs = settings.needs()
        if missing := addresses.missing(needs):
            raise EnvironmentMissing(f"an address of {', '.join(missing)}", "the load's operations ask for it")
        known = settings.operations()
        sessions = list(settings.users.sessions(self.seed, shard=shard, of=of)) if settings.users else []
        if settings.sockets is not None:
            sessions += settings.sockets.sessions(
                addresses, run=self.run, seed=self.seed, deadline_s=settings.deadline_s, shard=shard, of=of
            )
        return Part(
            arrivals=islice(self.arrivals(), shard, None, of),
            operations={name: known[name].operation for name in settings.used()},
            connect=lambda: open_clients(addresses, needs, run=self.run, fresh=settings.fresh),
            in_flight_max=-(-settings.slots // of),
            deadline_s=settings.deadline_s,
            deadlines_s=settings.deadlines_s,
            cancel_s=self.cancel_s if settings.cancels else None,
            sessions=sessions,
            session_numbers=count(SESSION_NUMBERS + shard, of),
        )
