"""Faults by name over one tiny protocol: what each does to a link, how a canary feels it, how it is undone.

A fault names exactly what happens, never what it is meant to resemble: `down`
closes the listener and every connection, and drops no packet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chaos.canary import Seen, Sight
from chaos.toxics import Latency, Toxic

# A canary may be quicker than the last one by this share of the delay and the fault still count as felt.
_FELT = 0.8
# A proxy delays each direction by whole milliseconds: less than two in all would be none at all.
_SHORTEST_RTT_S = 0.002


@dataclass(frozen=True, slots=True)
class LinkState:
    """A link as read back: whether it listens, and its toxics by name as (kind, stream, attributes in SI units)."""

    enabled: bool
    toxics: Mapping[str, tuple[str, str, Mapping[str, float]]]

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.enabled and not self.toxics


class Link(Protocol):
    """A hop that can be broken; every call is bounded and raises ChaosError when it cannot be carried out."""

    @property
    def name(self) -> str:
        """The hop's name."""

    def add(self, name: str, toxic: Toxic) -> None:
        """Put a toxic on the link."""

    def remove(self, name: str) -> None:
        """Take a toxic off; harmless when it is not there."""

    def set_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - the one thing it sets
        """Open or close the listener, and with it all connections."""

    def state(self) -> LinkState:
        """Read the link's state back from the server."""

    def look(self) -> Sight:
        """Send a canary through the link."""


class Fault(Protocol):
    """One way to break one hop."""

    @property
    def kind(self) -> str:
        """The fault's name."""

    @property
    def hop(self) -> str:
        """The hop it breaks."""

    def describe(self) -> Mapping[str, object]:
        """Return its parameters, SI units in the keys."""

    def inject(self, link: Link) -> None:
        """Break the link."""

    def undo(self, link: Link) -> None:
        """Mend what `inject` broke; harmless when it is whole or half broken."""

    def doubt(self, before: Sight, now: Sight) -> str | None:
        """Return None when `now`, beside `before` the fault, shows its effect; otherwise what is amiss."""


@dataclass(frozen=True, slots=True)
class LatencyFault:
    """Adds `rtt_s` to every round trip, half in each direction."""

    hop: str
    rtt_s: float
    kind = "latency"

    def __post_init__(self) -> None:
        """Raise ValueError for a round trip that no proxy would lengthen, or that is longer than it could."""
        if self.rtt_s < _SHORTEST_RTT_S:
            raise ValueError(f"rtt_s = {self.rtt_s!r}: must be at least {_SHORTEST_RTT_S} s")
        _ = self._toxics()

    def _toxics(self) -> Sequence[tuple[str, Toxic]]:
        half_s = self.rtt_s / 2
        return [("latency_up", Latency(half_s, "upstream")), ("latency_down", Latency(half_s, "downstream"))]

    def describe(self) -> Mapping[str, object]:
        """Return the added round trip."""
        return {"rtt_s": self.rtt_s}

    def inject(self, link: Link) -> None:
        """Delay both directions."""
        for name, toxic in self._toxics():
            link.add(name, toxic)

    def undo(self, link: Link) -> None:
        """Take both delays off, the last one first."""
        for name, _ in reversed(self._toxics()):
            link.remove(name)

    def doubt(self, before: Sight, now: Sight) -> str | None:
        """Ask for most of the added round trip, or for a canary that hung on it."""
        if now.seen is Seen.HUNG:
            return None
        if now.seen is Seen.ANSWERED and now.took_s - before.took_s >= _FELT * self.rtt_s:
            return None
        return f"added {self.rtt_s * 1e3:.0f} ms, but the canary was {now} against {before}"


@dataclass(frozen=True, slots=True)
class DownFault:
    """Closes the hop's listener and every connection through it; new ones are refused."""

    hop: str
    kind = "down"

    def describe(self) -> Mapping[str, object]:
        """Return nothing: it has no parameter."""
        return {}

    def inject(self, link: Link) -> None:
        """Disable the proxy."""
        link.set_enabled(False)

    def undo(self, link: Link) -> None:
        """Enable the proxy."""
        link.set_enabled(True)

    def doubt(self, before: Sight, now: Sight) -> str | None:
        """Ask for a refusal; a port forwarder in front of the proxy turns that into a close or a reset."""
        if now.seen in {Seen.REFUSED, Seen.CLOSED, Seen.RESET}:
            return None
        return f"closed the listener, but the canary was {now} against {before}"
