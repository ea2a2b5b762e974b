"""Faults of one hop's packets: what really is dropped on the way to its proxy, or on the way back.

The kernel drops them, so nobody is told: a caller's connection attempt hangs,
and what is lost is sent again after a wait. That packets were dropped is
counted by the very rules that drop them; what a canary feels comes on top.
After the heal, connections that lived through it come back only when their
own retransmission timers fire, which belongs to the recovery.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from chaos.canary.held import HeldConnection
from chaos.direction import Direction, streams
from chaos.faults.fault import Aimed, Fault, check_target
from chaos.faults.links.hop import back_to_normal, claims
from chaos.faults.packets import nftables as firewall
from chaos.faults.packets.namespaces import namespace_of
from chaos.faults.packets.nftables import SHARES, SYN, Drop, Table, share, table_name
from chaos.sight import Seen, Sight
from chaos.targets import Targets, Wire
from chaos.undo import Step
from harness.errors import ChaosError, InjectionFailed, Unsupported

# A look sends canaries for this long until one of their packets is lost: the fault may strike one in thousands.
_ENOUGH_LOOKING_S = 0.5


@dataclass(frozen=True, slots=True)
class PacketSight(Sight):
    """A canary's sight, and what goes with it where packets are dropped.

    `dropped` counts packets of our own rules, None where there are none of those; `held` is whether a connection from
    before the fault goes on, None where that was not asked.
    """

    dropped: int | None = None
    held: bool | None = None


def check_fraction(fraction: float) -> None:
    """Raise ValueError for a fraction of all packets that is none, or that is all of them."""
    if not 1 / SHARES <= fraction <= 1 - 1 / SHARES:
        raise ValueError(f"fraction = {fraction!r}: must be at least {1 / SHARES} and at most {1 - 1 / SHARES}")


@dataclass(frozen=True, slots=True)
class SynDropFault:
    """Drops every attempt to connect to the hop's proxy, without a word; connections that are there live on."""

    target: str
    kind: ClassVar[str] = "syn_drop"

    def __post_init__(self) -> None:
        """Raise ValueError for a target without a name."""
        check_target(self.target)

    @property
    def claims(self) -> frozenset[str]:
        """All of the hop: nobody new can look at anything else."""
        return claims(self.target)

    def describe(self) -> Mapping[str, object]:
        """Return nothing: it has no parameter."""
        return {}

    def aim(self, targets: Targets, name: str) -> Aimed:
        """Return the fault on its hop. Raises Unsupported."""
        return _AimedSynDrop(self.kind, targets.wire(self.kind, self.target), name)


@dataclass(frozen=True, slots=True)
class PacketLossFault:
    """Drops a random `fraction` of the hop's packets: both ways, only towards the proxy, or only on the way back.

    Each is drawn for itself by the kernel, in steps of one in ten thousand.
    """

    target: str
    fraction: float
    direction: Direction = "both"
    kind: ClassVar[str] = "packet_loss"

    def __post_init__(self) -> None:
        """Raise ValueError for no target, a fraction that drops nothing or everything, or a direction unheard of."""
        check_target(self.target)
        check_fraction(self.fraction)
        _ = streams(self.direction)

    @property
    def drops(self) -> Sequence[Drop]:
        """The rules that it consists of."""
        return [Drop(each, share(self.fraction)) for each in streams(self.direction)]

    @property
    def claims(self) -> frozenset[str]:
        """The hop's packets."""
        return claims(self.target, "packets")

    def describe(self) -> Mapping[str, object]:
        """Return the fraction and the direction."""
        return {"fraction": self.fraction, "direction": self.direction}

    def aim(self, targets: Targets, name: str) -> Aimed:
        """Return the fault on its hop. Raises Unsupported."""
        return _AimedLoss(self, targets.wire(self.kind, self.target), name)


class AimedDrops:
    """Rules that drop packets of one hop, not in place yet; felt by a canary that hangs."""

    def __init__(self, kind: str, wire: Wire, name: str, drops: Sequence[Drop]) -> None:
        namespace = namespace_of(wire.container, wire.run) if wire.container else None
        if reason := firewall.unavailable(namespace):
            raise Unsupported(f"{kind}: {reason}")
        self._wire = wire
        self._drops = drops
        self._table = Table(table_name(wire.run, name), namespace)

    def undo(self) -> Sequence[Step]:
        """Return what deletes the rules."""
        return [self._table.step()]

    def inject(self) -> None:
        """Put the rules in place, all at once. Raises InjectionFailed."""
        self._table.create(self._wire.run, self._wire.port, self._drops)

    def look(self) -> Sight:
        """Send a canary across, and count what the rules have dropped."""
        return self._sight(self._wire.canary.look())

    def missing(self, before: Sight, now: Sight) -> str | None:
        """Ask for a canary that hung, and for packets that were dropped."""
        if before.seen is not Seen.ANSWERED:
            return f"the hop was not whole before the fault: the canary was {before}"
        if now.seen is not Seen.HUNG:
            return f"dropped its packets, but the canary was {now} against {before}"
        return none_dropped(now)

    def remaining(self, before: Sight, now: Sight) -> str | None:
        """Ask for a canary that is answered, and for no rules."""
        if isinstance(now, PacketSight) and now.dropped is not None:
            return "healed, but the rules that drop packets are still there"
        return back_to_normal(before, now, slower_s=float("inf"))

    def _sight(self, sight: Sight, *, held: bool | None = None) -> PacketSight:
        dropped = self._table.dropped()
        told = [] if dropped is None else [f"{dropped} packets dropped"]
        if held is not None:
            told.append(f"a connection from before {'goes on' if held else 'does not go on'}")
        return PacketSight(sight.seen, sight.took_s, ", ".join(told), float(dropped or 0), dropped=dropped, held=held)


def none_dropped(now: Sight) -> str | None:
    """Return None where packets were dropped, otherwise what is amiss."""
    if isinstance(now, PacketSight) and now.dropped:
        return None
    return f"no packet was dropped: the canary was {now}"


class _AimedSynDrop(AimedDrops):
    """Holds a connection from before the fault, to see that it goes on."""

    def __init__(self, kind: str, wire: Wire, name: str) -> None:
        super().__init__(kind, wire, name, [Drop("upstream", SYN)])
        self._held: HeldConnection | None = None
        self._injected = False

    def inject(self) -> None:
        self._injected = True
        super().inject()

    def look(self) -> Sight:
        held = self._crosses()
        sight = self._sight(self._wire.canary.look(), held=held)
        if self._injected and self._held and (sight.seen is Seen.ANSWERED or self._proved(sight)):
            # Not held for as long as the fault lasts: a service may have few to spare.
            self._held.close()
            self._held = None
        return sight

    def missing(self, before: Sight, now: Sight) -> str | None:
        doubt = super().missing(before, now)
        if doubt is None and not self._proved(now):
            return f"dropped connection attempts alone, but a connection from before does not go on: {now}"
        return doubt

    def _crosses(self) -> bool | None:
        if self._injected:
            return self._held.crosses() if self._held else None
        if self._held and self._held.crosses():
            return True
        try:
            self._held = HeldConnection(self._wire.canary)
        except OSError as error:
            raise ChaosError(f"no connection to hold could be made: {error}") from error
        return self._held.crosses()

    @staticmethod
    def _proved(now: Sight) -> bool:
        return isinstance(now, PacketSight) and bool(now.held)


class _AimedLoss(AimedDrops):
    """Proved by its rules' counters alone: a canary whose packets are sent again in time feels little."""

    def __init__(self, fault: PacketLossFault, wire: Wire, name: str) -> None:
        super().__init__(fault.kind, wire, name, fault.drops)

    def adjust(self, fault: Fault) -> None:
        """Change to another fraction or direction, in one transaction. Raises InjectionFailed."""
        if not isinstance(fault, PacketLossFault):
            raise InjectionFailed(f"a loss of packets cannot become {fault.kind}")
        self._drops = fault.drops
        self._table.replace(self._wire.run, self._wire.port, self._drops)

    def look(self) -> Sight:
        ends_s = time.perf_counter() + _ENOUGH_LOOKING_S
        sight = super().look()
        while isinstance(sight, PacketSight) and sight.dropped == 0 and time.perf_counter() < ends_s:
            sight = super().look()
        return sight

    def missing(self, before: Sight, now: Sight) -> str | None:
        if before.seen is not Seen.ANSWERED:
            return f"the hop was not whole before the fault: the canary was {before}"
        return none_dropped(now)
