"""Faults of one hop's packets: what really is dropped on the way to its proxy, or on the way back.

The kernel drops them without an error: a caller's connection
attempt hangs, and what is lost is sent again after a wait. The rules that drop
packets count them; what a canary observes comes on top. After the heal,
connections that lived through it come back only when their own retransmission
timers fire, which belongs to the recovery.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from chaos.canary.ack_probe import AckProbe
from chaos.direction import Direction, streams
from chaos.faults.fault import Aimed, Fault
from chaos.faults.links.hop import OnHop, back_to_normal
from chaos.faults.packets import nftables as firewall
from chaos.faults.packets.namespaces import namespace_of
from chaos.faults.packets.nftables import SHARES, SYN, Drop, Table, share, table_name
from chaos.faults.ranges import Within
from chaos.faults.registered import Needs, register
from chaos.observed import Observed, State
from chaos.targets import Targets, Wire
from chaos.undo import Step
from harness.errors import ChaosError, InjectionFailed, Unsupported
from harness.tables import Fraction

FIREWALL = "Linux, root, nftables"
INSIDE = "nsenter, engine on this machine"
ON_WIRE = Needs(f"hop; {FIREWALL}", f"hop; {FIREWALL}, {INSIDE}")
# Of all packets; the kernel draws in such steps.
SHARE = Within(1 / SHARES, 1 - 1 / SHARES)
# A look sends canaries for this long until one of their packets is lost: the fault may strike one in thousands.
_ENOUGH_LOOKING_S = 0.5


@dataclass(frozen=True, slots=True)
class PacketSight(Observed):
    """A canary's sight, and what goes with it where packets are dropped.

    `dropped` counts packets of our own rules, None where there are none of those; `held` is whether a connection from
    before the fault goes on, None where that was not asked.
    """

    dropped: int | None = None
    held: bool | None = None


@register("syn_drop", on="hop", needs=ON_WIRE)
@dataclass(frozen=True, slots=True)
class SynDropFault(OnHop):
    """Drops every attempt to connect to the hop's proxy; established connections go on."""

    def aim(self, targets: Targets, name: str) -> Aimed:
        """Return the fault on its hop. Raises Unsupported."""
        return _AimedSynDrop(self.kind, targets.wire(self.kind, self.target), name)


@register("packet_loss", on="hop", needs=ON_WIRE, example={"fraction": 0.5})
@dataclass(frozen=True, slots=True)
class PacketLossFault(OnHop):
    """Drops a share of the packets, each drawn for itself by the kernel; TCP sends them again."""

    fraction: Annotated[Fraction, SHARE]
    """The share, in steps of one in ten thousand."""
    direction: Direction = "both"
    """Only towards the proxy, `upstream`, only on the way back, or both."""
    parts: ClassVar[tuple[str, ...]] = ("packets",)

    @property
    def drops(self) -> Sequence[Drop]:
        """The rules that it consists of."""
        return [Drop(each, share(self.fraction)) for each in streams(self.direction)]

    def aim(self, targets: Targets, name: str) -> Aimed:
        """Return the fault on its hop. Raises Unsupported."""
        return _AimedLoss(self, targets.wire(self.kind, self.target), name)


class AimedDrops:
    """Rules that drop packets of one hop, not in place yet; a canary hangs on them."""

    def __init__(self, kind: str, wire: Wire, name: str, drops: Sequence[Drop]) -> None:
        namespace = namespace_of(wire.container, wire.run) if wire.container else None
        if reason := firewall.unavailable(namespace):
            raise Unsupported(f"{kind}: {reason}")
        self._wire = wire
        self._drops = drops
        self._table = Table(table_name(wire.run, name), namespace)

    def undo(self) -> Sequence[Step]:
        """Return the step that deletes the rules."""
        return [self._table.step()]

    def inject(self) -> None:
        """Put the rules in place, all at once. Raises InjectionFailed."""
        self._table.create(self._wire.run, self._wire.port, self._drops)

    def observe(self) -> Observed:
        """Send a canary across, and count what the rules have dropped."""
        return self._sight(self._wire.canary.observe())

    def missing(self, before: Observed, now: Observed) -> str | None:
        """Ask for a canary that hung, and for packets that were dropped."""
        if before.state is not State.ANSWERED:
            return f"the hop was not whole before the fault: the canary was {before}"
        if now.state is not State.HUNG:
            return f"dropped its packets, but the canary was {now} against {before}"
        return none_dropped(now)

    def remaining(self, before: Observed, now: Observed) -> str | None:
        """Ask for a canary that is answered, and for no rules."""
        if isinstance(now, PacketSight) and now.dropped is not None:
            return "healed, but the rules that drop packets are still there"
        return back_to_normal(before, now, slower_s=float("inf"))

    def _sight(self, observed: Observed, *, held: bool | None = None) -> PacketSight:
        dropped = self._table.dropped()
        words = [] if dropped is None else [f"{dropped} packets dropped"]
        if held is not None:
            words.append(f"a connection from before {'goes on' if held else 'does not go on'}")
        return PacketSight(
            observed.state, observed.took_s, ", ".join(words), float(dropped or 0), dropped=dropped, held=held
        )


def none_dropped(now: Observed) -> str | None:
    """Return None where packets were dropped, otherwise the error."""
    if isinstance(now, PacketSight) and now.dropped:
        return None
    return f"no packet was dropped: the canary was {now}"


class _AimedSynDrop(AimedDrops):
    """Holds a connection from before the fault, to see that it goes on."""

    def __init__(self, kind: str, wire: Wire, name: str) -> None:
        super().__init__(kind, wire, name, [Drop("upstream", SYN)])
        self._held: AckProbe | None = None
        self._injected = False

    def inject(self) -> None:
        self._injected = True
        super().inject()

    def observe(self) -> Observed:
        held = self._crosses()
        observed = self._sight(self._wire.canary.observe(), held=held)
        if self._injected and self._held and (observed.state is State.ANSWERED or self._proved(observed)):
            # Not held for as long as the fault lasts: a service may have few to spare.
            self._held.close()
            self._held = None
        return observed

    def missing(self, before: Observed, now: Observed) -> str | None:
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
            self._held = AckProbe(self._wire.canary)
        except OSError as error:
            raise ChaosError(f"no connection to hold could be made: {error}") from error
        return self._held.crosses()

    @staticmethod
    def _proved(now: Observed) -> bool:
        return isinstance(now, PacketSight) and bool(now.held)


class _AimedLoss(AimedDrops):
    """Proved by its rules' counters alone: a canary whose packets are sent again in time is little slower."""

    def __init__(self, fault: PacketLossFault, wire: Wire, name: str) -> None:
        super().__init__(fault.kind, wire, name, fault.drops)

    def adjust(self, fault: Fault) -> None:
        """Change to another fraction or direction, in one transaction. Raises InjectionFailed."""
        if not isinstance(fault, PacketLossFault):
            raise InjectionFailed(f"a loss of packets cannot become {fault.kind}")
        self._drops = fault.drops
        self._table.replace(self._wire.run, self._wire.port, self._drops)

    def observe(self) -> Observed:
        ends_s = time.perf_counter() + _ENOUGH_LOOKING_S
        observed = super().observe()
        while isinstance(observed, PacketSight) and observed.dropped == 0 and time.perf_counter() < ends_s:
            observed = super().observe()
        return observed

    def missing(self, before: Observed, now: Observed) -> str | None:
        if before.state is not State.ANSWERED:
            return f"the hop was not whole before the fault: the canary was {before}"
        return none_dropped(now)
