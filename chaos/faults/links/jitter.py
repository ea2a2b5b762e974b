"""Jitter: a round trip whose length changes by chance while the fault lasts.

Drawn by us before the run, as a course of changes, and never by the server,
which could not draw the same again.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from chaos.faults.fault import Adjustable, Fault
from chaos.faults.links.hop import ON_HOP, OnHop
from chaos.faults.links.latency import ROUND_TRIP, AimedDelay
from chaos.faults.ranges import Within
from chaos.faults.registered import register
from chaos.targets import Targets
from harness.tables import Duration

# Each change costs the server two calls, and the schedule a line.
_STEP_S = 0.5
_MOST_STEPS = 600
_LONGEST = Within(0, ROUND_TRIP.most, ROUND_TRIP.unit)


@register("jitter", on="hop", needs=ON_HOP, example={"rtt_s": 0.2, "spread_s": 0.1})
@dataclass(frozen=True, slots=True)
class JitterFault(OnHop):
    """Adds a round trip that changes every half second, drawn before the run; half in each direction."""

    rtt_s: Annotated[Duration, _LONGEST]
    """How much longer a round trip takes at first, and in the middle of what is drawn."""
    spread_s: Annotated[Duration, Within(0, ROUND_TRIP.most, ROUND_TRIP.unit, above=True)]
    """It is drawn from `rtt_s` less so much to `rtt_s` and so much more; at most `rtt_s`."""
    drawn_s: Annotated[Duration, _LONGEST] | None = None
    """What was drawn; a recorded timeline has it in its course."""
    parts: ClassVar[tuple[str, ...]] = ("delay",)

    def check(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with a spread that goes below nothing, and with a draw that is not in it."""
        if self.spread_s > self.rtt_s:
            yield "spread_s", "must be at most rtt_s"
        if self._highest_s > ROUND_TRIP.most:
            yield "rtt_s", f"must be at most {ROUND_TRIP.most:g} s with spread_s"
        if self.drawn_s is not None and not self._lowest_s <= self.drawn_s <= self._highest_s:
            yield "drawn_s", f"must be from {self._lowest_s!r} to {self._highest_s!r} s"

    @property
    def added_s(self) -> float:
        """The round trip that it adds now."""
        return self.rtt_s if self.drawn_s is None else self.drawn_s

    def course(self, for_s: float, draw: random.Random) -> Sequence[tuple[float, Fault]]:
        """Return a draw for every half second after the first, or for as many steps as there may be."""
        step_s = max(_STEP_S, for_s / _MOST_STEPS)
        steps = min(_MOST_STEPS, int(for_s / step_s))
        offsets = [n * step_s for n in range(1, steps + 1) if n * step_s < for_s]
        return [(offset_s, self._draw(draw)) for offset_s in offsets]

    def aim(self, targets: Targets, name: str) -> Adjustable:
        """Return the fault on its hop. Raises Unsupported."""
        return AimedDelay(self, targets.link(self.kind, self.target), name)

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
