"""Faults of one hop at its proxy: what each does to what crosses it, and how a canary feels it.

`down` closes the listener and every connection, and drops no packet; what
really drops packets is another family's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from chaos.faults.fault import Adjustable, Fault, check_target
from chaos.faults.links.hop import FELT, back_to_normal, claims, not_whole, toxic_step
from chaos.faults.links.toxics import Latency
from chaos.sight import Seen, Sight
from chaos.targets import Link, Targets, Toxic
from chaos.undo import Step
from harness.errors import InjectionFailed

# A proxy delays each direction by whole milliseconds: less than two in all would be none at all.
_SHORTEST_RTT_S = 0.002


def round_trip(rtt_s: float, name: str) -> Sequence[tuple[str, Toxic]]:
    """Return the toxics that add a round trip, half in each direction, by names that begin with `name`.

    Raises ValueError out of range.
    """
    return [(f"{name}_up", Latency(rtt_s / 2, "upstream")), (f"{name}_down", Latency(rtt_s / 2, "downstream"))]


@dataclass(frozen=True, slots=True)
class LatencyFault:
    """Adds `rtt_s` to every round trip, half in each direction."""

    target: str
    rtt_s: float
    kind: ClassVar[str] = "latency"

    def __post_init__(self) -> None:
        """Raise ValueError for a round trip that no proxy would lengthen, or that is longer than it could."""
        check_target(self.target)
        if self.rtt_s < _SHORTEST_RTT_S:
            raise ValueError(f"rtt_s = {self.rtt_s!r}: must be at least {_SHORTEST_RTT_S} s")
        _ = self.toxics("")

    def toxics(self, name: str) -> Sequence[tuple[str, Toxic]]:
        """Return both toxics, by names that begin with `name`."""
        return round_trip(self.rtt_s, name)

    @property
    def claims(self) -> frozenset[str]:
        """The hop's delay."""
        return claims(self.target, "delay")

    def describe(self) -> Mapping[str, object]:
        """Return the added round trip."""
        return {"rtt_s": self.rtt_s}

    def aim(self, targets: Targets, name: str) -> Adjustable:
        """Return the fault on its hop. Raises Unsupported."""
        return _AimedLatency(self, targets.link(self.kind, self.target), name)


class Toxics:
    """Toxics on a link: what every fault that is made of some has in common."""

    def __init__(self, link: Link, toxics: Sequence[tuple[str, Toxic]]) -> None:
        self.link = link
        self._toxics = toxics

    def undo(self) -> Sequence[Step]:
        """Return what takes them off."""
        return [toxic_step(self.link, name) for name, _ in self._toxics]

    def inject(self) -> None:
        """Put them on. Raises InjectionFailed."""
        for name, toxic in self._toxics:
            self.link.add(name, toxic)

    def change(self, toxics: Sequence[tuple[str, Toxic]]) -> None:
        """Change them to others of the same names. Raises InjectionFailed."""
        for name, toxic in toxics:
            self.link.update(name, toxic)


class AimedDelay(Toxics):
    """Toxics that add `rtt_s` to every round trip; it may be changed."""

    def __init__(self, link: Link, toxics: Sequence[tuple[str, Toxic]], rtt_s: float) -> None:
        super().__init__(link, toxics)
        self.rtt_s = rtt_s
        self._looked_for_s = rtt_s

    def look(self) -> Sight:
        """Send a canary; the delay may change while it is on its way."""
        before_s = self.rtt_s
        sight = self.link.look()
        self._looked_for_s = min(before_s, self.rtt_s)
        return sight

    def missing(self, before: Sight, now: Sight) -> str | None:
        """Ask for most of the added round trip, or for a canary that hung on it."""
        if amiss := not_whole(before):
            return amiss
        if now.seen is Seen.HUNG:
            return None
        if now.seen is Seen.ANSWERED and now.took_s - before.took_s >= FELT * self._looked_for_s:
            return None
        return f"added {self._looked_for_s * 1e3:.0f} ms, but the canary was {now} against {before}"

    def remaining(self, before: Sight, now: Sight) -> str | None:
        """Ask for an answer without most of the delay."""
        return back_to_normal(before, now, slower_s=FELT * max(self._looked_for_s, _SHORTEST_RTT_S))


class _AimedLatency(AimedDelay):
    def __init__(self, fault: LatencyFault, link: Link, name: str) -> None:
        super().__init__(link, fault.toxics(name), fault.rtt_s)
        self._name = name

    def adjust(self, fault: Fault) -> None:
        """Change the round trip. Raises InjectionFailed."""
        if not isinstance(fault, LatencyFault):
            raise InjectionFailed(f"latency on {self.link.name} cannot become {fault.kind}")
        self.change(fault.toxics(self._name))
        self.rtt_s = fault.rtt_s
