"""Partitions: a hop whose packets are all dropped, or a service whose container is taken out of its network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chaos.direction import Direction, streams
from chaos.faults.fault import Aimed
from chaos.faults.links.hop import back_to_normal
from chaos.faults.links.hop import claims as hop_claims
from chaos.faults.packets.loss import ON_WIRE, AimedDrops
from chaos.faults.packets.nftables import Drop
from chaos.faults.registered import Declared, register
from chaos.faults.services.lifecycle import claims as service_claims
from chaos.observed import Observed, State
from chaos.targets import Member, Targets
from chaos.undo import Step
from harness.errors import Unsupported

_NEEDS = replace(ON_WIRE, note="a service as well where it is a container: out of its network")


@register("partition", on="hop or service", needs=_NEEDS)
@dataclass(frozen=True, slots=True)
class PartitionFault(Declared):
    """Drops every packet of a hop, or disconnects a service's container from its network."""

    direction: Direction = "both"
    """Of a hop, only to its proxy, `upstream`, only on the way back, or both; a container is cut off both ways."""

    @property
    def claims(self) -> frozenset[str]:
        """All of the hop, or the life and the network of the service: which it is only a stack can say."""
        return hop_claims(self.target) | service_claims(self.target, "life", "network")

    def aim(self, targets: Targets, name: str) -> Aimed:
        """Return the fault on its hop or service. Raises Unsupported."""
        if self.target in targets.wires:
            wire = targets.wire(self.kind, self.target)
            return AimedDrops(self.kind, wire, name, [Drop(each) for each in streams(self.direction)])
        member = targets.member(self.kind, self.target)
        if self.direction != "both":
            raise Unsupported(f"{self.kind} on {self.target}: a container leaves its network both ways, or not at all")
        return _AimedCut(member)


class _AimedCut:
    def __init__(self, member: Member) -> None:
        self._member = member

    def undo(self) -> Sequence[Step]:
        return [self._member.join_step()]

    def inject(self) -> None:
        self._member.cut()

    def observe(self) -> Observed:
        observed = self._member.observe()
        joined = self._member.joined()
        # What is in the network and cannot be reached is not cut off by us; what is not and answers is not cut off.
        return Observed(
            observed.state, observed.took_s, "in its network" if joined else "not in its network", float(joined)
        )

    def missing(self, before: Observed, now: Observed) -> str | None:
        """Ask for a service that is out of its network and does not answer.

        Its published port is closed with it, so a caller from outside may be refused where one inside would hang.
        """
        if before.state is not State.ANSWERED or not before.amount:
            return f"the service was not whole before the fault: the canary was {before}"
        if now.amount or now.state is State.ANSWERED:
            return f"disconnected the container, but the canary was {now} against {before}"
        return None

    def remaining(self, before: Observed, now: Observed) -> str | None:
        if not now.amount:
            return f"healed, but the service is {now}"
        return back_to_normal(before, now, slower_s=float("inf"))
