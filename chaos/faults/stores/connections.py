"""Takes a data store's connection slots, all or all but a few, by connecting past its proxies until it refuses.

The slots are held by this process, so they are free again when it ends,
however it does. What others hold stays theirs.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from chaos.faults.fault import Aimed
from chaos.faults.ranges import Within
from chaos.faults.registered import Needs, register
from chaos.faults.services.lifecycle import OnService
from chaos.faults.stores.held import close_step, hold
from chaos.faults.stores.slots import PostgresSlots, RedisSlots, Slots, affordable
from chaos.observed import Observed, State
from chaos.targets import Store, Targets
from chaos.undo import Step
from harness.errors import InjectionFailed, NotReady, Unsupported

_SLOTS: Mapping[str, Callable[[str], Slots]] = {"postgres": PostgresSlots, "redis": RedisSlots}
# Ten thousand connections to a Redis take a second or two, a hundred logins at a PostgreSQL not one.
_TAKE_S = 20.0
_LOOK_S = 5.0
# Redis takes ten thousand clients by itself.
_MOST = 12_000
_NEEDS = Needs("postgres, redis", "postgres, redis")


@register("exhaust_connections", on="store", needs=_NEEDS)
@dataclass(frozen=True, slots=True)
class ExhaustConnectionsFault(OnService):
    """Holds connections to it until it refuses any more."""

    # A look takes as many and one more.
    leave: Annotated[int, Within(0, 100)] = 0
    """How many slots it gives back then."""
    most: Annotated[int, Within(1, _MOST)] = _MOST
    """How many it may take; more than `leave`."""
    # What ends the service ends the connections as well.
    parts: ClassVar[tuple[str, ...]] = ("life",)

    def check(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with numbers of which one contradicts the other."""
        if self.most <= self.leave:
            yield "most", "must be more than leave"

    def aim(self, targets: Targets, name: str) -> Aimed:
        """Return the fault on its store. Raises Unsupported."""
        store = targets.store(self.kind, self.target)
        if store.name not in _SLOTS:
            raise Unsupported(f"{self.kind} on {self.target}: only {' and '.join(_SLOTS)} have slots to take")
        return _AimedExhaustion(self, store, f"{name}-{secrets.token_hex(4)}")


class _AimedExhaustion:
    def __init__(self, fault: ExhaustConnectionsFault, store: Store, name: str) -> None:
        self._fault = fault
        self._store = store
        self._name = name

    def undo(self) -> Sequence[Step]:
        return [close_step(self._name)]

    def inject(self) -> None:
        """Take the slots. Raises InjectionFailed when the server never refused."""
        target, slots = self._fault.target, self._new_slots()
        # Before the first is taken, so that they are closed in any case.
        hold(self._name, slots)
        most = affordable(self._fault.most)
        try:
            refusal = slots.take(most, limit_s=_TAKE_S)
        except NotReady as error:
            raise InjectionFailed(f"{target}: after {len(slots)} connections: {error}") from error
        if refusal is None:
            why = "" if most == self._fault.most else ", and this process may open no more: raise `ulimit -n`"
            raise InjectionFailed(f"{target}: took {len(slots)} connections and refused none{why}")
        slots.give_back(self._fault.leave)

    def observe(self) -> Observed:
        """Ask for one slot more than are left, and give them back at once."""
        slots, began_s = self._new_slots(), time.perf_counter()
        try:
            refusal = slots.take(self._fault.leave + 1, limit_s=_LOOK_S)
        except NotReady as error:
            return Observed(State.GONE, time.perf_counter() - began_s, str(error))
        finally:
            slots.close()
        took_s = time.perf_counter() - began_s
        return Observed(State.REFUSED, took_s, refusal) if refusal else Observed(State.ANSWERED, took_s)

    def missing(self, before: Observed, now: Observed) -> str | None:
        """Ask for the server's own refusal."""
        if before.state is not State.ANSWERED:
            return f"there were no {self._fault.leave + 1} free slots before the fault: {before}"
        if now.state is State.REFUSED:
            return None
        return f"took its slots, but a new connection was {now} against {before}"

    def remaining(self, before: Observed, now: Observed) -> str | None:
        """Ask for new connections to be answered."""
        return (
            None
            if now.state is State.ANSWERED
            else f"gave its slots back, but a new connection was {now}, not {before}"
        )

    def _new_slots(self) -> Slots:
        return _SLOTS[self._store.name](self._store.url)
