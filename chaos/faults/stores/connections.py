"""Takes a data store's connection slots, all or all but a few, by connecting to it past its proxies until it refuses.

The slots are held by this process, so they are free again when it ends,
however it does. What others hold stays theirs.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from chaos.faults.fault import Aimed, check_target
from chaos.faults.services.lifecycle import claims
from chaos.faults.stores.held import close_step, hold
from chaos.faults.stores.slots import PostgresSlots, RedisSlots, Slots, affordable
from chaos.sight import Seen, Sight
from chaos.targets import Store, Targets
from chaos.undo import Step
from harness.errors import InjectionFailed, NotReady, Unsupported

_KINDS: Mapping[str, Callable[[str], Slots]] = {"postgres": PostgresSlots, "redis": RedisSlots}
# Ten thousand connections to a Redis take a second or two, a hundred logins at a PostgreSQL not one.
_TAKE_S = 20.0
_LOOK_S = 5.0
# Redis takes ten thousand clients by itself.
_MOST = 12_000
# A look takes as many and one more.
_LEAVE_MAX = 100


@dataclass(frozen=True, slots=True)
class ExhaustConnectionsFault:
    """Holds connections to the store `target` until it refuses any more, less `leave`; it may take up to `most`."""

    target: str
    leave: int = 0
    most: int = _MOST
    kind: ClassVar[str] = "exhaust_connections"

    def __post_init__(self) -> None:
        """Raise ValueError for no target, or numbers that cannot be."""
        check_target(self.target)
        if not 0 <= self.leave <= _LEAVE_MAX:
            raise ValueError(f"leave = {self.leave!r}: must be from 0 to {_LEAVE_MAX}")
        if not self.leave < self.most <= _MOST:
            raise ValueError(f"most = {self.most!r}: must be more than leave, and at most {_MOST}")

    @property
    def claims(self) -> frozenset[str]:
        """The service while it lives: whatever ends it ends the connections as well."""
        return claims(self.target, "life")

    def describe(self) -> Mapping[str, object]:
        """Return how many slots are left, and how many it may take at most."""
        return {"leave": self.leave, "most": self.most}

    def aim(self, targets: Targets, name: str) -> Aimed:
        """Return the fault on its store. Raises Unsupported."""
        store = targets.store(self.kind, self.target)
        if store.name not in _KINDS:
            raise Unsupported(f"{self.kind} on {self.target}: only {' and '.join(_KINDS)} have slots to take")
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
        # Before the first is taken, so that they are closed whatever happens.
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

    def look(self) -> Sight:
        """Ask for one slot more than are left, and give them back at once."""
        slots, began_s = self._new_slots(), time.perf_counter()
        try:
            refusal = slots.take(self._fault.leave + 1, limit_s=_LOOK_S)
        except NotReady as error:
            return Sight(Seen.GONE, time.perf_counter() - began_s, str(error))
        finally:
            slots.close()
        took_s = time.perf_counter() - began_s
        return Sight(Seen.REFUSED, took_s, refusal) if refusal else Sight(Seen.ANSWERED, took_s)

    def missing(self, before: Sight, now: Sight) -> str | None:
        """Ask for the server's own refusal."""
        if before.seen is not Seen.ANSWERED:
            return f"there were no {self._fault.leave + 1} free slots before the fault: {before}"
        if now.seen is Seen.REFUSED:
            return None
        return f"took its slots, but a new connection was {now} against {before}"

    def remaining(self, before: Sight, now: Sight) -> str | None:
        """Ask for new connections to be answered."""
        return (
            None if now.seen is Seen.ANSWERED else f"gave its slots back, but a new connection was {now}, not {before}"
        )

    def _new_slots(self) -> Slots:
        return _KINDS[self._store.name](self._store.url)
