"""Faults of established connections: reset, without data, or half open, each proved on one from before the fault.

New connections show none of them exactly: a proxy that resets refuses them,
and through one that drops all data they hang from the start. So the canary
keeps one open from before the fault, and only what becomes of that is proof.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from chaos.canary.canary import Standing
from chaos.direction import Direction, Stream, streams
from chaos.faults.fault import Aimed, Preparation
from chaos.faults.links.hop import OBSERVED, ON_HOP, OnHop, back_to_normal, not_whole, proxy_step, toxic_step
from chaos.faults.links.toxics import WAIT, ResetPeer, Timeout
from chaos.faults.registered import register
from chaos.observed import Observed, State
from chaos.targets import Link, Targets, Toxic
from chaos.undo import Step
from harness.errors import InjectionFailed
from harness.tables import Duration

_ARMED = "armed_rst"


@register("rst_live", on="hop", needs=ON_HOP)
@dataclass(frozen=True, slots=True)
class RstLiveFault(OnHop):
    """Resets every connection, idle ones too, and refuses new ones while it lasts.

    A proxy resets only what was opened after its `reset_peer`; so that has to be there, asleep, before the load opens
    its pools (`prepare`), and stays until the run ends. Its price: all the while, also a normal end of a connection
    reaches its other side as a reset, and a `down` of the same hop resets what it closes.
    """

    def prepare(self, targets: Targets) -> Preparation:
        """Return the `reset_peer` that waits. Raises Unsupported."""
        return _Arming(targets.link(self.kind, self.target))

    def aim(self, targets: Targets, name: str) -> Aimed:  # noqa: ARG002 - the protocol's own
        """Return the fault on its hop. Raises Unsupported."""
        return _AimedRstLive(targets.link(self.kind, self.target))


@register("blackhole_established", on="hop", needs=ON_HOP)
@dataclass(frozen=True, slots=True)
class BlackholeFault(OnHop):
    """Drops all data and ends nothing: established connections hang.

    New ones are accepted, and hang as well; an end that a side makes itself still comes through. No packet is
    dropped, so TCP sees nothing wrong. When it is undone, the proxy closes every connection of the hop.
    """

    direction: Direction = "both"
    """Which way: `upstream` is towards the callee."""

    def aim(self, targets: Targets, name: str) -> Aimed:
        """Return the fault on its hop. Raises Unsupported."""
        toxics = [(f"{name}_{stream}", Timeout(0, stream)) for stream in streams(self.direction)]
        return _AimedBlackhole(targets.link(self.kind, self.target), toxics)


@register("half_open", on="hop", needs=ON_HOP, example={"silence_s": 1.0})
@dataclass(frozen=True, slots=True)
class HalfOpenFault(OnHop):
    """Drops all data of one direction, and ends a connection after a silence there.

    The difference to `blackhole_established`: that one never ends a connection; here one that falls silent is ended,
    while heartbeats that nothing receives keep one alive, as with a peer that is gone and a middlebox that forgets
    what is idle.
    """

    silence_s: Annotated[Duration, WAIT]
    """How long a connection may have nothing to drop there."""
    # Not both: the idle one would end the busy one's connection.
    direction: Stream = "upstream"
    """Which way data is lost; the other still works."""

    def aim(self, targets: Targets, name: str) -> Aimed:
        """Return the fault on its hop. Raises Unsupported."""
        link = targets.link(self.kind, self.target)
        return _AimedHalfOpen(link, [(name, Timeout(self.silence_s, self.direction))], self.silence_s)


class _Arming:
    """Adds a sleeping `reset_peer` to a link. One direction is enough: both sides of a connection reset with it."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def undo(self) -> Sequence[Step]:
        return [toxic_step(self._link, _ARMED)]

    def arm(self) -> None:
        if _ARMED not in self._link.state().toxics:
            self._link.add(_ARMED, ResetPeer(toxicity=0))


class _Standing:
    """A fault of established connections: a canary's own, which every look before the fault replaces, is one."""

    # Whether the canary asks again on it; otherwise it waits for what becomes of an idle connection.
    asks = True

    def __init__(self, link: Link) -> None:
        self.link = link
        self.injected = False
        self._standing: Standing | None = None
        self._fate: Observed | None = None

    def observe(self) -> Observed:
        """Observe the connection that was there; once it has ended, a new one, whose answer shows the heal."""
        if self.injected and self._standing:
            fate = self._look_at(self._standing)
            if fate.state in {State.HUNG, State.ANSWERED}:
                return fate
            new = self.link.observe()
            return new if new.state is State.ANSWERED else fate
        observed = self.link.observe()
        if observed.state is State.ANSWERED and not self.injected:
            standing = self.link.canary.stand()
            if isinstance(standing, Observed):
                return standing
            self._give_up()
            self._standing = standing
        return observed

    def remaining(self, before: Observed, now: Observed) -> str | None:
        """Ask for an answer."""
        error = back_to_normal(before, now, slower_s=float("inf"))
        if error is None:
            self._give_up()
        return error

    def _look_at(self, standing: Standing) -> Observed:
        if self._fate is None:
            began_s = time.perf_counter()
            if self.asks:
                standing.ask()
            seen = standing.fate(self.link.canary.limit_s)
            observed = Observed(seen, time.perf_counter() - began_s, "a connection from before the fault")
            if seen is State.HUNG:
                return observed
            self._fate = observed
        return self._fate

    def _give_up(self) -> None:
        if self._standing:
            self._standing.close()


class _AimedRstLive(_Standing):
    # What is sent to a connection that has ended is reset, by the kernel alone.
    asks = False

    def undo(self) -> Sequence[Step]:
        return [proxy_step(self.link)]

    def inject(self) -> None:
        if _ARMED not in self.link.state().toxics:
            raise InjectionFailed(f"rst_live on {self.link.name}: its proxy was not prepared for it")
        self.injected = True
        self.link.set_enabled(False)

    def missing(self, before: Observed, now: Observed) -> str | None:
        """Ask for a reset of the connection that was there; a port forwarder in front of the proxy hides it."""
        if error := not_whole(before):
            return error
        return None if now.state is State.RESET else f"reset the connections, but the canary was {now} against {before}"


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
    def missing(self, before: Observed, now: Observed) -> str | None:
        """Ask for a connection that was there and now hangs."""
        if error := not_whole(before):
            return error
        return None if now.state is State.HUNG else f"dropped all data, but the canary was {now} against {before}"


class _AimedHalfOpen(_AimedTimeout):
    def __init__(self, link: Link, toxics: Sequence[tuple[str, Toxic]], silence_s: float) -> None:
        super().__init__(link, toxics)
        self._silence_s = silence_s

    def missing(self, before: Observed, now: Observed) -> str | None:
        """Ask for a connection that was there and now hangs, or that ended after the silence."""
        if error := not_whole(before):
            return error
        ended = now.state in {State.CLOSED, State.RESET} and now.took_s >= OBSERVED * self._silence_s
        if now.state is State.HUNG or ended:
            return None
        return f"dropped data for up to {self._silence_s:g} s, but the canary was {now} against {before}"
