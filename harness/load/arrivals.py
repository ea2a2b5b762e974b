"""When each request is due: pure schedules of an open model.

An arrival process is an iterator of seconds since the load's start, never
descending. Each time is computed from its index, not from the one before, so
the schedule cannot drift; the engine only compares it with the clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of load: the rate goes in a straight line from `from_per_s` to `to_per_s` over `for_s`."""

    from_per_s: float
    to_per_s: float
    for_s: float

    def __post_init__(self) -> None:
        """Raise ValueError for a negative rate or duration."""
        if min(self.from_per_s, self.to_per_s, self.for_s) < 0 or not math.isfinite(self.from_per_s + self.to_per_s):
            raise ValueError(f"a stage's rates and duration must be finite and not negative: {self}")


def constant(rate_per_s: float, for_s: float) -> Stage:
    """Return a stage at one rate."""
    return Stage(rate_per_s, rate_per_s, for_s)


def ramp(from_per_s: float, to_per_s: float, for_s: float) -> Stage:
    """Return a stage that climbs or falls in a straight line."""
    return Stage(from_per_s, to_per_s, for_s)


def schedule(*stages: Stage) -> Iterator[float]:
    """Yield the due time of every arrival of the stages, one after another.

    Arrival n is due where the integral of the rate reaches n, so the stages
    join without a gap or a burst.
    """
    begins_s = 0.0
    due = 0.0
    n = 0
    for stage in stages:
        offset_s = _inverse(stage)
        total = due + (stage.from_per_s + stage.to_per_s) / 2 * stage.for_s
        while n < total:
            yield begins_s + offset_s(n - due)
            n += 1
        due = total
        begins_s += stage.for_s


def _inverse(stage: Stage) -> Callable[[float], float]:
    """Return the time within the stage by which `k` arrivals have come due.

    Solves from*t + slope*t^2/2 = k for t, in the form that stays exact when the slope is 0.
    """
    slope = (stage.to_per_s - stage.from_per_s) / stage.for_s if stage.for_s else 0.0

    def offset_s(k: float) -> float:
        root = math.sqrt(max(0.0, stage.from_per_s**2 + 2 * slope * k))
        return min(stage.for_s, 2 * k / (stage.from_per_s + root)) if k > 0 else 0.0

    return offset_s
