"""Deletes keys of the run's Redis, all or a share, as a restarted or an overfull cache does.

There is no inverse. The services fill a cache again when they need it, and
how well they do that under load is what the fault asks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, ClassVar

from chaos.faults.fault import Aimed
from chaos.faults.ranges import Within
from chaos.faults.registered import Needs, register
from chaos.faults.services.lifecycle import OnService
from chaos.guards.claim_redis import KEY, connected
from chaos.observed import Observed, State
from chaos.targets import Store, Targets
from chaos.undo import Step
from harness.errors import HeavyweatherError, InjectionFailed, Unsupported
from harness.tables import Fraction, Name

_LIMIT_S = 2.0
# Deleting a part goes key by key; a cache that takes longer is too large to be flushed in part.
_PART_LIMIT_S = 10.0
_BATCH = 500
# A scan may meet a key twice, and miss those that expire while it goes on.
_OBSERVED = 0.8


@register("flush_cache", on="`redis`", needs=Needs("redis", "redis"))
@dataclass(frozen=True, slots=True)
class FlushCacheFault(OnService):
    """Deletes keys of the database of the run's Redis, but not the run's claim; nothing undoes it."""

    target: Name = "redis"
    fraction: Annotated[Fraction, Within(0, 1, above=True)] = 1.0
    """The share that is deleted: 1 all at once, less as a scan meets them."""
    # Nothing can be deleted where the service does not answer.
    parts: ClassVar[tuple[str, ...]] = ("life",)

    def aim(self, targets: Targets, name: str) -> Aimed:  # noqa: ARG002 - the protocol's own
        """Return the fault on its store. Raises Unsupported."""
        store = targets.store(self.kind, self.target)
        if store.name != "redis":
            raise Unsupported(f"{self.kind} on {self.target}: only Redis is a cache here")
        return _AimedFlush(self, store)


class _AimedFlush:
    def __init__(self, fault: FlushCacheFault, store: Store) -> None:
        self._fault = fault
        self._store = store
        self._at_once: Observed | None = None

    def undo(self) -> Sequence[Step]:
        """Return nothing: there is no inverse."""
        return ()

    def inject(self) -> None:
        """Delete, and count at once what is left: a busy cache is full again before the next look.

        Raises InjectionFailed.
        """
        began_s = time.perf_counter()
        try:
            with connected(self._store.url, _LIMIT_S, text=False) as redis:
                had, left = _flush(redis) if self._fault.fraction == 1 else _delete(redis, self._fault.fraction)
        except HeavyweatherError as error:
            raise InjectionFailed(f"{self._fault.target}: not flushed: {error}") from error
        detail = f"{left} of {had} keys left"
        self._at_once = Observed(_seen(left), time.perf_counter() - began_s, detail, float(left))

    def observe(self) -> Observed:
        """Count the keys; the first look after the injection is the one taken with it. Raises ChaosError."""
        observed, self._at_once = self._at_once, None
        if observed is not None:
            return observed
        began_s = time.perf_counter()
        try:
            with connected(self._store.url, _LIMIT_S, text=False) as redis:
                count = _count(redis)
        except HeavyweatherError as error:
            raise InjectionFailed(f"{self._fault.target}: its keys cannot be counted: {error}") from error
        return Observed(_seen(count), time.perf_counter() - began_s, f"{count} keys", float(count))

    def missing(self, before: Observed, now: Observed) -> str | None:
        """Ask that most of what was to go has gone, of a cache that had something in it."""
        if before.amount <= 0:
            return "there was no key to delete"
        if before.amount - now.amount >= _OBSERVED * self._fault.fraction * before.amount:
            return None
        return f"asked for {self._fault.fraction:.0%} of the keys to go, but there were {now} against {before}"

    def remaining(self, before: Observed, now: Observed) -> str | None:  # noqa: ARG002 - the protocol's own
        """Leave nothing: a flush is over when it is done."""
        return None


def _flush(redis: Any) -> tuple[int, int]:
    """Delete everything but the claim, in one transaction; return how many keys there were, and are left."""
    claim, ttl_s = redis.get(KEY), redis.ttl(KEY)
    with redis.pipeline(transaction=True) as pipe:
        pipe.dbsize()
        pipe.flushdb()
        pipe.dbsize()
        if claim is not None:
            pipe.set(KEY, claim, ex=max(1, ttl_s))
        had, _, left, *_ = pipe.execute()
    return had - (claim is not None), left


def _delete(redis: Any, fraction: float) -> tuple[int, int]:
    """Delete a share of the keys, first met first; return how many there were, and are left of those."""
    had = _count(redis)
    gone, wanted, ends_s = 0, round(fraction * had), time.monotonic() + _PART_LIMIT_S
    keys: Iterator[bytes] = (key for key in redis.scan_iter(count=_BATCH) if key != KEY.encode())
    while gone < wanted and (batch := list(islice(keys, min(_BATCH, wanted - gone)))):
        gone += redis.unlink(*batch)
        if time.monotonic() >= ends_s:
            raise InjectionFailed(
                f"{gone} of {wanted} keys deleted in {_PART_LIMIT_S:.0f} s: too many to go one by one"
            )
    return had, had - gone


def _count(redis: Any) -> int:
    """Return how many keys there are besides the claim."""
    with redis.pipeline(transaction=True) as pipe:
        count, claimed = pipe.dbsize().exists(KEY).execute()
    return int(count) - int(claimed)


def _seen(count: int) -> State:
    return State.THERE if count else State.GONE
