"""Faults of connections that are there: reset, struck dumb, or half open, each felt by one that was there before.

New connections show none of them exactly: to a reset proxy they are refused,
and through a dumb one they hang from the start. So the canary keeps one open
from before the fault, and only how that one fares counts as proof.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from chaos.canary.canary import Standing
from chaos.direction import Direction, Stream, streams
from chaos.faults.fault import Aimed, Preparation, check_target
from chaos.faults.links.hop import FELT, back_to_normal, claims, not_whole, proxy_step, toxic_step
from chaos.faults.links.toxics import ResetPeer, Timeout
from chaos.sight import Seen, Sight
from chaos.targets import Link, Targets, Toxic
from chaos.undo import Step
from harness.errors import InjectionFailed

_ARMED = "armed_rst"


@dataclass(frozen=True, slots=True)
class RstLiveFault:
    """Resets every connection of the hop, idle ones too, and refuses new ones while it lasts.

    A proxy resets only what was opened after its `reset_peer`; so that has to be there, asleep, before the load opens
    its pools (`prepare`), and stays until the run ends. Its price: all the while, also a normal end of a connection
    reaches its other side as a reset, and a `down` of the same hop resets what it closes.
    """

    target: str
    kind: ClassVar[str] = "rst_live"

    def __post_init__(self) -> None:
        """Raise ValueError without a hop."""
        check_target(self.target)

    @property
    def claims(self) -> frozenset[str]:
        """All of the hop."""
        return claims(self.target)

    def describe(self) -> Mapping[str, object]:
        """Return nothing: it has no parameter."""
        return {}

    def prepare(self, targets: Targets) -> Preparation:
        """Return the `reset_peer` that waits. Raises Unsupported."""
        return _Arming(targets.link(self.kind, self.target))

    def aim(self, targets: Targets, name: str) -> Aimed:  # noqa: ARG002 - the protocol's own
        """Return the fault on its hop. Raises Unsupported."""
        return _AimedRstLive(targets.link(self.kind, self.target))


@dataclass(frozen=True, slots=True)
class BlackholeFault:
    """Drops all data of a direction, or of both, and ends nothing: established connections hang, for ever if need be.

    New ones are accepted, and hang as well; an end that a side makes itself still comes through. No packet is
    dropped, so TCP sees nothing wrong. When it is undone, the proxy closes every connection of the hop.
    """

    target: str
    direction: Direction = "both"
    kind: ClassVar[str] = "blackhole_established"

    def __post_init__(self) -> None:
        """Raise ValueError for a direction that there is not."""
        check_target(self.target)
        streams(self.direction)

    @property
    def claims(self) -> frozenset[str]:
        """All of the hop."""
        return claims(self.target)

    def describe(self) -> Mapping[str, object]:
        """Return the direction."""
        return {"direction": self.direction}

    def aim(self, targets: Targets, name: str) -> Aimed:
        """Return the fault on its hop. Raises Unsupported."""
        toxics = [(f"{name}_{stream}", Timeout(0, stream)) for stream in streams(self.direction)]
        return _AimedBlackhole(targets.link(self.kind, self.target), toxics)


@dataclass(frozen=True, slots=True)
class HalfOpenFault:
    """Drops all data of one direction, and ends a connection only after `silence_s` without anything to drop there.

    The difference to `blackhole_established`: that one never ends a connection; here one that falls silent is ended,
    while heartbeats keep one alive on which nobody hears them, as with a peer that is gone and a middlebox that
    forgets what is idle. `direction` is the one whose data is lost; the other still works.
    """

    target: str
    silence_s: float
    direction: Stream = "upstream"
    kind: ClassVar[str] = "half_open"

    def __post_init__(self) -> None:
        """Raise ValueError out of range, and for both directions: the idle one would end the busy one's connection."""
        check_target(self.target)
        if self.direction not in ("upstream", "downstream"):
            raise ValueError(f"direction = {self.direction!r}: must be upstream or downstream")
        if self.silence_s == 0:
            raise ValueError("silence_s = 0: that is blackhole_established")
        try:
            _ = Timeout(self.silence_s)
        except ValueError as error:
            raise ValueError(str(error).replace("timeout_s", "silence_s")) from None

    @property
    def claims(self) -> frozenset[str]:
        """All of the hop."""
        return claims(self.target)

    def describe(self) -> Mapping[str, object]:
        """Return the silence that it bears, and the direction."""
        return {"silence_s": self.silence_s, "direction": self.direction}

    def aim(self, targets: Targets, name: str) -> Aimed:
        """Return the fault on its hop. Raises Unsupported."""
        link = targets.link(self.kind, self.target)
        return _AimedHalfOpen(link, [(name, Timeout(self.silence_s, self.direction))], self.silence_s)


class _Arming:
    """Puts a sleeping `reset_peer` on a link. One direction is enough: both sides of a connection reset with it."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def undo(self) -> Sequence[Step]:
        return [toxic_step(self._link, _ARMED)]

    def arm(self) -> None:
        if _ARMED not in self._link.state().toxics:
            self._link.add(_ARMED, ResetPeer(toxicity=0))


class _Standing:
    """A fault of connections that are there: a canary's own, opened anew by every look before the fault, is one."""

    # Whether the canary asks again on it; otherwise it waits for what becomes of an idle connection.
    asks = True

    def __init__(self, link: Link) -> None:
        self.link = link
        self.injected = False
        self._standing: Standing | None = None
        self._fate: Sight | None = None

    def look(self) -> Sight:
        """Look at the connection that was there; once it is no more, at a new one, whose answer shows the heal."""
        if self.injected and self._standing:
            fate = self._look_at(self._standing)
            if fate.seen in {Seen.HUNG, Seen.ANSWERED}:
                return fate
            new = self.link.look()
            return new if new.seen is Seen.ANSWERED else fate
        sight = self.link.look()
        if sight.seen is Seen.ANSWERED and not self.injected:
            standing = self.link.canary.stand()
            if isinstance(standing, Sight):
                return standing
            self._give_up()
            self._standing = standing
        return sight

    def remaining(self, before: Sight, now: Sight) -> str | None:
        """Ask for an answer."""
        amiss = back_to_normal(before, now, slower_s=float("inf"))
        if amiss is None:
            self._give_up()
        return amiss

    def _look_at(self, standing: Standing) -> Sight:
        if self._fate is None:
            began_s = time.perf_counter()
            if self.asks:
                standing.ask()
            seen = standing.fate(self.link.canary.limit_s)
            sight = Sight(seen, time.perf_counter() - began_s, "a connection from before the fault")
            if seen is Seen.HUNG:
                return sight
            self._fate = sight
        return self._fate

    def _give_up(self) -> None:
        if self._standing:
            self._standing.close()


class _AimedRstLive(_Standing):
    # What is sent to a connection that has ended is reset, whatever the proxy did.
    asks = False

    def undo(self) -> Sequence[Step]:
        return [proxy_step(self.link)]

    def inject(self) -> None:
        if _ARMED not in self.link.state().toxics:
            raise InjectionFailed(f"rst_live on {self.link.name}: its proxy was not prepared for it")
        self.injected = True
        self.link.set_enabled(False)

    def missing(self, before: Sight, now: Sight) -> str | None:
        """Ask for a reset of the connection that was there; a port forwarder in front of the proxy hides it."""
        if amiss := not_whole(before):
            return amiss
        return None if now.seen is Seen.RESET else f"reset the connections, but the canary was {now} against {before}"


class _AimedTimeout(_Standing):
    def __init__(self, link: Link, toxics: Sequence[tuple[str, Toxic]]) -> None:
        super().__init__(link)
        self._toxics = toxics

    def undo(self) -> Sequence[Step]:
        return [toxic_step(self.link, name) for name, _ in self._toxics]

    def inject(self) -> None:
        self.injected = True
        for name, toxic in self._toxics:
            self.link.add(name, toxic)


class _AimedBlackhole(_AimedTimeout):
    def missing(self, before: Sight, now: Sight) -> str | None:
        """Ask for a connection that was there and now hangs."""
        if amiss := not_whole(before):
            return amiss
        return None if now.seen is Seen.HUNG else f"dropped all data, but the canary was {now} against {before}"


class _AimedHalfOpen(_AimedTimeout):
    def __init__(self, link: Link, toxics: Sequence[tuple[str, Toxic]], silence_s: float) -> None:
        super().__init__(link, toxics)
        self._silence_s = silence_s

    def missing(self, before: Sight, now: Sight) -> str | None:
        """Ask for a connection that was there and now hangs, or that ended after the silence."""
        if amiss := not_whole(before):
            return amiss
        ended = now.seen in {Seen.CLOSED, Seen.RESET} and now.took_s >= FELT * self._silence_s
        if now.seen is Seen.HUNG or ended:
            return None
        return f"dropped data for up to {self._silence_s:g} s, but the canary was {now} against {before}"
