"""Faults of what comes back from one hop's proxy: packets out of order, or with a bit turned over.

Only where the kernel has netem, and only for a container's own link: see
`chaos.faults.packets.netem`. Anything else that resembles them is not offered in their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from chaos.faults.fault import Aimed
from chaos.faults.links.hop import OnHop, back_to_normal
from chaos.faults.links.hop import claims as hop_claims
from chaos.faults.packets import netem as qdisc
from chaos.faults.packets.loss import FIREWALL, INSIDE, SHARE
from chaos.faults.packets.namespaces import namespace_of
from chaos.faults.packets.netem import Mangling
from chaos.faults.ranges import Within
from chaos.faults.registered import Needs, register
from chaos.observed import Observed, State
from chaos.targets import Targets, Wire
from chaos.undo import Step
from harness.errors import Unsupported
from harness.tables import Duration, Fraction

_NEEDS = Needs("", f"hop; {FIREWALL}, tc, {INSIDE}, a kernel with netem", "local hops share the loopback")


@dataclass(frozen=True, slots=True)
class _OnDevice(OnHop):
    """A fault of a hop's packets that takes the device of the proxies' container."""

    @property
    def claims(self) -> frozenset[str]:
        """Its parts of the hop, and the device: all hops share the proxies' container, which has one discipline."""
        return hop_claims(self.target, *self.parts) | {"the proxies' device"}


@register("reorder", on="hop", needs=_NEEDS, example={"fraction": 0.5, "delay_s": 0.1})
@dataclass(frozen=True, slots=True)
class ReorderFault(_OnDevice):
    """Holds the proxy's packets back, but for a share of them, which overtake."""

    fraction: Annotated[Fraction, SHARE]
    """The share that overtakes, drawn by the kernel."""
    # The kernel's own clock is finer, a wire is not; and no caller waits for a packet longer than a minute.
    delay_s: Annotated[Duration, Within(0.001, 60, "s")]
    """How long the others are held back."""
    parts: ClassVar[tuple[str, ...]] = ("packets", "delay")

    @property
    def netem(self) -> Sequence[str]:
        """The discipline, in tc's words."""
        return ["netem", "delay", f"{self.delay_s * 1e6:.0f}us", "reorder", f"{self.fraction * 100:.2f}%"]

    def aim(self, targets: Targets, name: str) -> Aimed:  # noqa: ARG002 - the protocol's own
        """Return the fault on its hop. Raises Unsupported."""
        return AimedMangling(self.kind, targets.wire(self.kind, self.target), self.netem)


@register("corruption", on="hop", needs=_NEEDS, example={"fraction": 0.5})
@dataclass(frozen=True, slots=True)
class CorruptionFault(_OnDevice):
    """Turns over one bit in a share of the proxy's packets, whose checksums are then wrong."""

    fraction: Annotated[Fraction, SHARE]
    """The share, drawn by the kernel."""
    parts: ClassVar[tuple[str, ...]] = ("packets",)

    @property
    def netem(self) -> Sequence[str]:
        """The discipline, in tc's words."""
        return ["netem", "corrupt", f"{self.fraction * 100:.2f}%"]

    def aim(self, targets: Targets, name: str) -> Aimed:  # noqa: ARG002 - the protocol's own
        """Return the fault on its hop. Raises Unsupported."""
        return AimedMangling(self.kind, targets.wire(self.kind, self.target), self.netem)


class AimedMangling:
    """A queueing discipline that mangles what comes back from one hop's proxy, not in place yet."""

    def __init__(self, kind: str, wire: Wire, leaf: Sequence[str]) -> None:
        if reason := qdisc.SHARED if wire.container is None else qdisc.unavailable():
            raise Unsupported(f"{kind}: {reason}")
        assert wire.container is not None  # noqa: S101 - for the type checker: there was a reason otherwise
        self._wire = wire
        self._leaf = leaf
        self._mangling = Mangling(namespace_of(wire.container, wire.run))

    def undo(self) -> Sequence[Step]:
        """Return the step that removes it."""
        return [self._mangling.step()]

    def inject(self) -> None:
        """Put it in place. Raises InjectionFailed."""
        self._mangling.create(self._wire.port, self._leaf)

    def observe(self) -> Observed:
        """Send a canary across, and count what went through the discipline; the amount is -1 where there is none."""
        observed = self._wire.canary.observe()
        passed = self._mangling.passed()
        if passed is None:
            return Observed(observed.state, observed.took_s, amount=-1)
        return Observed(
            observed.state, observed.took_s, f"{passed} packets went through {' '.join(self._leaf)}", float(passed)
        )

    def missing(self, before: Observed, now: Observed) -> str | None:
        """Ask for packets of the hop that went through the discipline: the kernel keeps no count of the mangled."""
        if before.state is not State.ANSWERED:
            return f"the hop was not whole before the fault: the canary was {before}"
        return None if now.amount > 0 else f"no packet went through {' '.join(self._leaf)}: the canary was {now}"

    def remaining(self, before: Observed, now: Observed) -> str | None:
        """Ask for a canary that is answered, and for no discipline."""
        if now.amount >= 0:
            return f"healed, but the discipline is still there: {now}"
        return back_to_normal(before, now, slower_s=float("inf"))
