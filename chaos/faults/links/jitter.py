"""Jitter: a round trip whose length changes by chance while the fault lasts.

Drawn by us before the run, as a course of changes, and never by the server,
which could not draw the same again.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from chaos.faults.fault import Adjustable, Fault, check_target
from chaos.faults.links.hop import claims
from chaos.faults.links.latency import AimedDelay, round_trip
from chaos.targets import Link, Targets
from harness.errors import InjectionFailed

# Each change costs the server two calls, and the schedule a line.
_STEP_S = 0.5
_MOST_STEPS = 600


@dataclass(frozen=True, slots=True)
class JitterFault:
    """Adds a round trip between `rtt_s - spread_s` and `rtt_s + spread_s`, half in each direction.

    It begins with `rtt_s`; `drawn_s` is what it is once it has been drawn, anew every half second or so.
    """

    target: str
    rtt_s: float
    spread_s: float
    drawn_s: float | None = None
    kind: ClassVar[str] = "jitter"

    def __post_init__(self) -> None:
        """Raise ValueError for a spread that goes below nothing, and for what no proxy would do."""
        check_target(self.target)
        _ = round_trip(self.rtt_s, ""), round_trip(self.rtt_s + self.spread_s, "")
        if not 0 < self.spread_s <= self.rtt_s:
            raise ValueError(f"spread_s = {self.spread_s!r}: must be above 0 and at most rtt_s = {self.rtt_s!r}")
        if self.drawn_s is not None and not self._lowest_s <= self.drawn_s <= self._highest_s:
            raise ValueError(f"drawn_s = {self.drawn_s!r}: must be from {self._lowest_s!r} to {self._highest_s!r}")

    @property
    def added_s(self) -> float:
        """The round trip that it adds now."""
        return self.rtt_s if self.drawn_s is None else self.drawn_s

    @property
    def claims(self) -> frozenset[str]:
        """The hop's delay."""
        return claims(self.target, "delay")

    def describe(self) -> Mapping[str, object]:
        """Return the round trip, its spread, and what was drawn."""
        drawn = {} if self.drawn_s is None else {"drawn_s": self.drawn_s}
        return {"rtt_s": self.rtt_s, "spread_s": self.spread_s, **drawn}

    def course(self, for_s: float, draw: random.Random) -> Sequence[tuple[float, Fault]]:
        """Return a draw for every half second after the first, or for as many steps as there may be."""
        step_s = max(_STEP_S, for_s / _MOST_STEPS)
        steps = min(_MOST_STEPS, int(for_s / step_s))
        offsets = [n * step_s for n in range(1, steps + 1) if n * step_s < for_s]
        return [(offset_s, self._draw(draw)) for offset_s in offsets]

    def aim(self, targets: Targets, name: str) -> Adjustable:
        """Return the fault on its hop. Raises Unsupported."""
        return _AimedJitter(self, targets.link(self.kind, self.target), name)

    def _draw(self, draw: random.Random) -> JitterFault:
        # To the microsecond, as all of a schedule; within the spread all the same.
        drawn_s = round(draw.uniform(self._lowest_s, self._highest_s), 6)
        return dataclasses.replace(self, drawn_s=min(max(drawn_s, self._lowest_s), self._highest_s))

    @property
    def _lowest_s(self) -> float:
        return self.rtt_s - self.spread_s

    @property
    def _highest_s(self) -> float:
        return self.rtt_s + self.spread_s


class _AimedJitter(AimedDelay):
    def __init__(self, fault: JitterFault, link: Link, name: str) -> None:
        super().__init__(link, round_trip(fault.added_s, name), fault.added_s)
        self._name = name

    def adjust(self, fault: Fault) -> None:
        """Change to what was drawn. Raises InjectionFailed."""
        if not isinstance(fault, JitterFault):
            raise InjectionFailed(f"jitter on {self.link.name} cannot become {fault.kind}")
        self.change(round_trip(fault.added_s, self._name))
        self.rtt_s = fault.added_s
