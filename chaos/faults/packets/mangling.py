"""Faults of what comes back from one hop's proxy: packets out of order, or with a bit turned over.

Only where the kernel has netem, and only for a container's own link: see
`chaos.faults.packets.netem`. Anything else that resembles them is not offered in their place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from chaos.faults.fault import Aimed, check_target
from chaos.faults.links.hop import back_to_normal, claims
from chaos.faults.packets import netem as qdisc
from chaos.faults.packets.loss import check_fraction
from chaos.faults.packets.namespaces import namespace_of
from chaos.faults.packets.netem import Mangling
from chaos.sight import Seen, Sight
from chaos.targets import Targets, Wire
from chaos.undo import Step
from harness.errors import Unsupported

# All hops of a stack share their proxy's container, and a device has one discipline.
_DEVICE = frozenset({"the proxies' device"})
# The kernel's own clock is finer, a wire is not; and nobody waits for a packet longer than this.
_DELAY_MIN_S, _DELAY_MAX_S = 0.001, 60.0


@dataclass(frozen=True, slots=True)
class ReorderFault:
    """Holds the proxy's packets back for `delay_s`, but for a random `fraction` of them, which overtake."""

    target: str
    fraction: float
    delay_s: float
    kind: ClassVar[str] = "reorder"

    def __post_init__(self) -> None:
        """Raise ValueError for no target, a fraction that is none or all, or a delay that is none or without end."""
        check_target(self.target)
        check_fraction(self.fraction)
        if not _DELAY_MIN_S <= self.delay_s <= _DELAY_MAX_S:
            raise ValueError(f"delay_s = {self.delay_s!r}: must be at least {_DELAY_MIN_S} and at most {_DELAY_MAX_S}")

    @property
    def netem(self) -> Sequence[str]:
        """The discipline, in tc's words."""
        return ["netem", "delay", f"{self.delay_s * 1e6:.0f}us", "reorder", f"{self.fraction * 100:.2f}%"]

    @property
    def claims(self) -> frozenset[str]:
        """The hop's packets and its delay, and the device."""
        return claims(self.target, "packets", "delay") | _DEVICE

    def describe(self) -> Mapping[str, object]:
        """Return the fraction and the delay."""
        return {"fraction": self.fraction, "delay_s": self.delay_s}

    def aim(self, targets: Targets, name: str) -> Aimed:  # noqa: ARG002 - the protocol's own
        """Return the fault on its hop. Raises Unsupported."""
        return AimedMangling(self.kind, targets.wire(self.kind, self.target), self.netem)


@dataclass(frozen=True, slots=True)
class CorruptionFault:
    """Turns over one bit in a random `fraction` of the proxy's packets, which their checksums then give away."""

    target: str
    fraction: float
    kind: ClassVar[str] = "corruption"

    def __post_init__(self) -> None:
        """Raise ValueError for no target, or a fraction that is none or all."""
        check_target(self.target)
        check_fraction(self.fraction)

    @property
    def netem(self) -> Sequence[str]:
        """The discipline, in tc's words."""
        return ["netem", "corrupt", f"{self.fraction * 100:.2f}%"]

    @property
    def claims(self) -> frozenset[str]:
        """The hop's packets, and the device."""
        return claims(self.target, "packets") | _DEVICE

    def describe(self) -> Mapping[str, object]:
        """Return the fraction."""
        return {"fraction": self.fraction}

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
        """Return what takes it away."""
        return [self._mangling.step()]

    def inject(self) -> None:
        """Put it in place. Raises InjectionFailed."""
        self._mangling.create(self._wire.port, self._leaf)

    def look(self) -> Sight:
        """Send a canary across, and count what went through the discipline; the amount is -1 where there is none."""
        sight = self._wire.canary.look()
        passed = self._mangling.passed()
        if passed is None:
            return Sight(sight.seen, sight.took_s, amount=-1)
        return Sight(sight.seen, sight.took_s, f"{passed} packets went through {' '.join(self._leaf)}", float(passed))

    def missing(self, before: Sight, now: Sight) -> str | None:
        """Ask for packets of the hop that went through the discipline: the kernel keeps no count of the mangled."""
        if before.seen is not Seen.ANSWERED:
            return f"the hop was not whole before the fault: the canary was {before}"
        return None if now.amount > 0 else f"no packet went through {' '.join(self._leaf)}: the canary was {now}"

    def remaining(self, before: Sight, now: Sight) -> str | None:
        """Ask for a canary that is answered, and for no discipline."""
        if now.amount >= 0:
            return f"healed, but the discipline is still there: {now}"
        return back_to_normal(before, now, slower_s=float("inf"))
