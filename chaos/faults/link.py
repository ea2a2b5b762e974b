"""Faults of one hop at its proxy: what each does to what crosses it, and how a canary feels it.

`down` closes the listener and every connection, and drops no packet; what
really drops packets is another family's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from chaos.faults.fault import Adjustable, Aimed, Fault
from chaos.faults.target_name import check_target
from chaos.sight import Seen, Sight
from chaos.targets import Link, Targets
from chaos.toxics import Latency, Stream, Toxic
from chaos.undo import Step
from harness.errors import InjectionFailed

Direction = Literal["upstream", "downstream", "both"]

# A canary may be quicker than the last one by this share of the delay and the fault still count as felt.
FELT = 0.8
# A proxy delays each direction by whole milliseconds: less than two in all would be none at all.
_SHORTEST_RTT_S = 0.002
# What a fault may have for itself of a hop. Faults of different parts may be there at once, and each be felt.
_PARTS = ("delay", "rate", "pieces", "close", "life", "packets")


def claims(hop: str, *parts: str) -> frozenset[str]:
    """Return the claims on parts of a hop, or on all of it where none is named: a dead link can show nothing else."""
    return frozenset(f"hop {hop} {part}" for part in parts or _PARTS)


def streams(direction: Direction) -> tuple[Stream, ...]:
    """Return what a direction is made of. Raises ValueError for one that there is not."""
    table: Mapping[str, tuple[Stream, ...]] = {
        "upstream": ("upstream",),
        "downstream": ("downstream",),
        "both": ("upstream", "downstream"),
    }
    if direction not in table:
        raise ValueError(f"direction = {direction!r}: must be one of {', '.join(table)}")
    return table[direction]


def proxy_step(link: Link) -> Step:
    """Return what has a link's proxy listen again."""
    return Step("proxy.enable", link.place)


def toxic_step(link: Link, name: str) -> Step:
    """Return what takes a toxic off a link."""
    return Step("toxic.remove", {**link.place, "toxic": name})


def round_trip(rtt_s: float, name: str) -> Sequence[tuple[str, Toxic]]:
    """Return the toxics that add a round trip, half in each direction, by names that begin with `name`.

    Raises ValueError out of range.
    """
    return [(f"{name}_up", Latency(rtt_s / 2, "upstream")), (f"{name}_down", Latency(rtt_s / 2, "downstream"))]


def not_whole(before: Sight) -> str | None:
    """Return what was amiss with a link before its fault: beside that, nothing can be seen of the fault."""
    return None if before.seen is Seen.ANSWERED else f"the link was not whole before the fault: the canary was {before}"


def back_to_normal(before: Sight, now: Sight, *, slower_s: float) -> str | None:
    """Return None when a canary is answered, and less than `slower_s` later than before."""
    if now.seen is before.seen is Seen.ANSWERED and now.took_s - before.took_s < slower_s:
        return None
    return f"healed, but the canary was {now} against {before}"


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


@dataclass(frozen=True, slots=True)
class DownFault:
    """Closes the hop's listener and every connection through it; new ones are refused."""

    target: str
    kind: ClassVar[str] = "down"

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

    def aim(self, targets: Targets, name: str) -> Aimed:  # noqa: ARG002 - the protocol's own
        """Return the fault on its hop. Raises Unsupported."""
        return _AimedDown(targets.link(self.kind, self.target))


class _AimedDown:
    def __init__(self, link: Link) -> None:
        self._link = link

    def undo(self) -> Sequence[Step]:
        return [proxy_step(self._link)]

    def inject(self) -> None:
        self._link.set_enabled(False)

    def look(self) -> Sight:
        return self._link.look()

    def missing(self, before: Sight, now: Sight) -> str | None:
        """Ask for a refusal; a port forwarder in front of the proxy turns that into a close or a reset."""
        if amiss := not_whole(before):
            return amiss
        if now.seen in {Seen.REFUSED, Seen.CLOSED, Seen.RESET}:
            return None
        return f"closed the listener, but the canary was {now} against {before}"

    def remaining(self, before: Sight, now: Sight) -> str | None:
        return back_to_normal(before, now, slower_s=float("inf"))
