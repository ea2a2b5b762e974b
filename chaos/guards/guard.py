"""The guard: claims a stack's data stores for the run, and asks them before every injection whether they are its own.

It asks through the proxies, for what is behind them is what gets broken. Where
a fault of ours is on a link the question goes to the store directly. Where one
is on the store itself it may stay without an answer, briefly. A store that answers
and is not ours ends the run.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from chaos.guards.claim import Claim, ClaimedStore
from chaos.guards.claim_postgres import PostgresStore
from chaos.guards.claim_redis import RedisStore
from chaos.guards.runner import describe, is_gone, is_own, own_runner
from harness.clock import Clock, RealClock
from harness.errors import ChaosError, HeavyweatherError, NotReady, Refused

# Longer than any fault has a store down: where it cannot be renewed, it must not run out.
_LEASE_S = 300.0
_RENEWALS = 5
# A store that was just healed, or is overrun, may need a moment before it answers.
_PATIENCE_S = 5.0
_AGAIN_S = 0.1
_STOP_S = 10.0
# What a store is given to answer that a fault of ours is on: most are quick even then, and a dead one holds others up.
_BRIEF_S = 0.25
# While this is broken, so is every hop.
_PROXIES = "toxiproxy"

# The claims that this process holds: one of its own that it released is free, though the process lives.
_held: set[str] = set()


@dataclass(frozen=True, slots=True)
class GuardedStore:
    """A data store by both ways to it: past the proxies, also in a hurry, and through the proxy of `hop`."""

    store: str
    hop: str
    direct: ClaimedStore
    brief: ClaimedStore
    proxied: ClaimedStore

    @classmethod
    def postgres(cls, dsn: str, *, proxied: str) -> Self:
        """Return the door to a PostgreSQL; both DSNs lead to the same database."""
        return cls(
            "postgres", "api_postgres", PostgresStore(dsn), PostgresStore(dsn, limit_s=_BRIEF_S), PostgresStore(proxied)
        )

    @classmethod
    def redis(cls, url: str, *, proxied: str) -> Self:
        """Return the door to a Redis; both URLs lead to the same database."""
        return cls("redis", "api_redis", RedisStore(url), RedisStore(url, limit_s=_BRIEF_S), RedisStore(proxied))


class Guard:
    """Guards the stores behind `doors` for one run. Call `claim` once they answer, and `release` at the end.

    `note` must hear of the run's events; it may be called from any thread, the others from one at a time.
    """

    def __init__(
        self, run_id: str, doors: Sequence[GuardedStore], *, lease_s: float = _LEASE_S, clock: Clock | None = None
    ) -> None:
        self._doors = tuple(doors)
        self._claim = Claim(secrets.token_hex(16), run_id, own_runner(), lease_s)
        self._clock = clock or RealClock()
        self._servers: dict[str, str] = {}
        self._lock = threading.Lock()
        self._broken: set[tuple[object, object]] = set()
        self._touched: set[object] = set()
        self._ending = threading.Event()
        self._renewer = threading.Thread(target=self._keep_renewing, name="claim", daemon=True)

    def claim(self) -> None:
        """Claim every store. Raises Refused where a living runner has one, having released the others; or NotReady."""
        try:
            for door in self._doors:
                self._lay(door)
                self._servers[door.store] = door.direct.server()
        except BaseException:
            self.release()
            raise
        self._renewer.start()

    def permit(self) -> None:
        """Raise Refused unless every store that answers is this run's, and every one answers that ought to. Bounded."""
        for door in self._doors:
            self._check(door)

    def note(self, kind: str, **detail: object) -> None:
        """Hear of an event: `fault` with its `step`, `fault` and `target`."""
        if kind != "fault":
            return
        fault = (detail.get("fault"), detail.get("target"))
        with self._lock:
            if detail.get("step") == "injected":
                self._broken.add(fault)
                self._touched.add(detail.get("target"))
            elif detail.get("step") == "healed":
                self._broken.discard(fault)

    def release(self) -> list[str]:
        """Remove the claims; harmless when repeated. Returns what is left, in words: the next claim clears it away."""
        self._ending.set()
        if self._renewer.ident is not None:
            self._renewer.join(_STOP_S)
        left = []
        for door in self._doors:
            try:
                door.direct.lift(self._claim)
            except HeavyweatherError as error:
                left.append(f"the claim of run {self._claim.run_id} stays in {door.store}: {error}")
        _held.discard(self._claim.nonce)
        return left

    def _lay(self, door: GuardedStore) -> None:
        # Before it is there, or another thread of this process could take it for a released one.
        _held.add(self._claim.nonce)
        if (held := door.direct.lay(self._claim, _gives_way)) is not None:
            raise Refused(f"{door.store} is claimed by {describe(held)}: two runs on one stack would break each other")

    def _check(self, door: GuardedStore) -> None:
        ends_s = self._clock.now_s() + _PATIENCE_S
        while True:
            try:
                return self._look(door)
            except NotReady as error:
                if self._is_broken(door.store):
                    return None
                if self._clock.now_s() >= ends_s:
                    raise Refused(f"the owner of {door.store} is unknown: {error}") from error
                self._clock.sleep_s(_AGAIN_S)

    def _look(self, door: GuardedStore) -> None:
        # Before the look: what comes after it is not excused by it.
        with self._lock:
            touched = door.store in self._touched
        way, where = self._way(door)
        held = way.read()
        if held is None:
            self._lay_again(door, touched=touched)
            held = way.read()
        if held is None:
            raise Refused(f"{where} holds no claim of this run: it is not the {door.store} of this stack")
        if held.nonce != self._claim.nonce:
            raise Refused(f"{where} is claimed by {describe(held)}: it is not this run's to break")
        if not self._is_broken(door.store):
            with self._lock:
                self._touched.discard(door.store)

    def _way(self, door: GuardedStore) -> tuple[ClaimedStore, str]:
        """Return whom to ask now, and what that is called."""
        if self._is_broken(door.store):
            return door.brief, door.store
        if self._is_broken(door.hop, _PROXIES):
            return door.direct, door.store
        return door.proxied, f"what is behind the proxy of {door.hop}"

    def _lay_again(self, door: GuardedStore, *, touched: bool) -> None:
        """Claim again a store that may have lost its claim, because of a fault of ours or as caches lose things."""
        if door.direct.lasting or door.direct.read() is not None:
            return
        server = door.direct.server()
        if touched or (server and server == self._servers[door.store]):
            self._lay(door)
            self._servers[door.store] = server

    def _is_broken(self, *names: str) -> bool:
        with self._lock:
            return any(target in names for _, target in self._broken)

    def _keep_renewing(self) -> None:
        while not self._ending.wait(self._claim.left_s / _RENEWALS):
            for door in self._doors:
                # Down at this moment, perhaps; another owner is found before the next injection.
                with suppress(NotReady, ChaosError):
                    door.direct.renew(self._claim)


def _gives_way(claim: Claim) -> bool:
    """Return whether a claim has no owner any more."""
    return is_gone(claim) or (is_own(claim) and claim.nonce not in _held)
