"""Latency: a longer round trip over one hop, and what every fault that adds one shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol

from chaos.faults.fault import Adjustable, Fault
from chaos.faults.links.hop import OBSERVED, ON_HOP, OnHop, Toxics, back_to_normal, not_whole
from chaos.faults.links.toxics import Latency
from chaos.faults.ranges import Within
from chaos.faults.registered import register
from chaos.observed import Observed, State
from chaos.targets import Link, Targets, Toxic
from harness.errors import InjectionFailed
from harness.tables import Duration

# A proxy delays each direction by whole milliseconds, and by an hour at most.
ROUND_TRIP = Within(0.002, 7200, "s")


def round_trip(rtt_s: float, name: str) -> Sequence[tuple[str, Toxic]]:
    """Return the toxics that add a round trip, half in each direction, by names that begin with `name`.

    Raises ValueError out of range.
    """
    return [(f"{name}_up", Latency(rtt_s / 2, "upstream")), (f"{name}_down", Latency(rtt_s / 2, "downstream"))]


@register("latency", on="hop", needs=ON_HOP, example={"rtt_s": 0.2})
@dataclass(frozen=True, slots=True)
class LatencyFault(OnHop):
    """Adds to every round trip, half in each direction."""

    rtt_s: Annotated[Duration, ROUND_TRIP]
    """How much longer a round trip takes."""
    parts: ClassVar[tuple[str, ...]] = ("delay",)

    @property
    def added_s(self) -> float:
        """The round trip that it adds."""
        return self.rtt_s

    def aim(self, targets: Targets, name: str) -> Adjustable:
        """Return the fault on its hop. Raises Unsupported."""
        return AimedDelay(self, targets.link(self.kind, self.target), name)


class _Delay(Fault, Protocol):
    @property
    def added_s(self) -> float: ...


class AimedDelay(Toxics):
    """Toxics that add a round trip, which may change while the fault lasts."""

    def __init__(self, fault: _Delay, link: Link, name: str) -> None:
        super().__init__(link, round_trip(fault.added_s, name))
        self._fault = fault
        self._name = name
        self._observed_s = fault.added_s

    def adjust(self, fault: Fault) -> None:
        """Change the round trip. Raises InjectionFailed."""
        if not isinstance(fault, type(self._fault)):
            raise InjectionFailed(f"{self._fault.kind} on {self.link.name} cannot become {fault.kind}")
        self.change(round_trip(fault.added_s, self._name))
        self._fault = fault

    def observe(self) -> Observed:
        """Send a canary; the delay may change while it is on its way."""
        before_s = self._fault.added_s
        observed = self.link.observe()
        self._observed_s = min(before_s, self._fault.added_s)
        return observed

    def missing(self, before: Observed, now: Observed) -> str | None:
        """Ask for most of the added round trip, or for a canary that hung on it."""
        if error := not_whole(before):
            return error
        if now.state is State.HUNG:
            return None
        if now.state is State.ANSWERED and now.took_s - before.took_s >= OBSERVED * self._observed_s:
            return None
        return f"added {self._observed_s * 1e3:.0f} ms, but the canary was {now} against {before}"

    def remaining(self, before: Observed, now: Observed) -> str | None:
        """Ask for an answer without most of the delay."""
        return back_to_normal(before, now, slower_s=OBSERVED * max(self._observed_s, ROUND_TRIP.least))
