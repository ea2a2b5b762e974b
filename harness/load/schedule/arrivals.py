"""When each request is due: pure schedules of an open model.

An arrival process is an iterator of seconds since the load's start, never
descending. Arrival n is due where the integral of the rate reaches n; each
time is computed from its own number, not from the one before, so the schedule
cannot drift, and the engine only compares it with the clock.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Protocol, Self

from pydantic import Field

from harness.tables import Duration, PositiveDuration, Rate, table

# A sine's integral has no inverse in closed form. Bisection from the whole stage down: 2^-60 of it is below a double.
_HALVINGS = 60


class Stage(Protocol):
    """A stretch of load."""

    @property
    def for_s(self) -> float:
        """How long it lasts, in seconds."""

    @property
    def arrivals(self) -> float:
        """How many arrivals come due in it: its rate's integral."""

    def offset_s(self, k: float) -> float:
        """Return the seconds into the stage by which `k` arrivals, 0 to `arrivals`, have come due."""

    def stretched(self, time_scale: float) -> Self:
        """Return the same stage, `time_scale` times as long, at the same rates."""


@table
@dataclass(frozen=True, slots=True)
class Ramp:
    """The rate goes in a straight line from `from_per_s` to `to_per_s` over `for_s`."""

    from_per_s: Rate
    """Arrivals per second at its start."""
    to_per_s: Rate
    """Arrivals per second at its end."""
    for_s: Duration
    """How long it lasts."""

    def __post_init__(self) -> None:
        """Raise ValueError for a negative rate or duration."""
        _check(self, self.from_per_s, self.to_per_s, self.for_s)

    @property
    def arrivals(self) -> float:
        """How many arrivals come due in it."""
        return (self.from_per_s + self.to_per_s) / 2 * self.for_s

    def offset_s(self, k: float) -> float:
        """Return when `k` have come due: from*t + slope*t^2/2 = k, solved in the form that is exact at slope 0."""
        if k <= 0:
            return 0.0
        slope = (self.to_per_s - self.from_per_s) / self.for_s
        root = math.sqrt(max(0.0, self.from_per_s**2 + 2 * slope * k))
        return min(self.for_s, 2 * k / (self.from_per_s + root))

    def stretched(self, time_scale: float) -> Self:
        """Return the same, longer or shorter."""
        return replace(self, for_s=self.for_s * time_scale)


@table
@dataclass(frozen=True, slots=True)
class Spike:
    """`count` arrivals due at one moment; it takes no time."""

    count: Annotated[int, Field(ge=0)]
    """Number of arrivals."""

    def __post_init__(self) -> None:
        """Raise ValueError for a negative count."""
        _check(self, self.count)

    @property
    def for_s(self) -> float:
        """It takes no time."""
        return 0.0

    @property
    def arrivals(self) -> float:
        """All of them."""
        return float(self.count)

    def offset_s(self, k: float) -> float:
        """Return 0: all are due at once."""
        del k
        return 0.0

    def stretched(self, time_scale: float) -> Self:
        """Return itself: it takes no time."""
        del time_scale
        return self


@table
@dataclass(frozen=True, slots=True)
class Sine:
    """The rate swings `swing_per_s` around `mean_per_s` once every `period_s`, upwards first: days and nights."""

    mean_per_s: Rate
    """Arrivals per second around which the rate swings."""
    swing_per_s: Rate
    """Difference between the highest rate and the mean."""
    period_s: PositiveDuration
    """Time from one highest rate to the next."""
    for_s: Duration
    """How long it lasts."""

    def __post_init__(self) -> None:
        """Raise ValueError for a negative rate, at its lowest too, or a period of nothing."""
        _check(self, self.mean_per_s, self.swing_per_s, self.for_s)
        if self.swing_per_s > self.mean_per_s:
            raise ValueError("swing_per_s: must be at most mean_per_s, for no rate is negative")
        if not 0 < self.period_s < math.inf:
            raise ValueError("period_s: must be above 0")

    @property
    def arrivals(self) -> float:
        """How many arrivals come due in it."""
        return self._due(self.for_s)

    def _due(self, t_s: float) -> float:
        turn = 2 * math.pi / self.period_s
        return self.mean_per_s * t_s + self.swing_per_s / turn * (1 - math.cos(turn * t_s))

    def offset_s(self, k: float) -> float:
        """Return when `k` have come due, by bisection."""
        low_s, high_s = 0.0, self.for_s
        for _ in range(_HALVINGS):
            middle_s = (low_s + high_s) / 2
            low_s, high_s = (middle_s, high_s) if self._due(middle_s) < k else (low_s, middle_s)
        return high_s if k > 0 else 0.0

    def stretched(self, time_scale: float) -> Self:
        """Return the same, longer or shorter, its period too."""
        return replace(self, period_s=self.period_s * time_scale, for_s=self.for_s * time_scale)


def constant(rate_per_s: float, for_s: float) -> Ramp:
    """Return a stage at one rate."""
    return Ramp(rate_per_s, rate_per_s, for_s)


def steps(from_per_s: float, to_per_s: float, count: int, each_s: float) -> tuple[Ramp, ...]:
    """Return `count` stages of `each_s` seconds, from one rate to the other in even steps. Raises ValueError."""
    if count < 2:
        raise ValueError(f"a staircase needs at least 2 steps, not {count}")
    height = (to_per_s - from_per_s) / (count - 1)
    return tuple(constant(from_per_s + height * n, each_s) for n in range(count))


def schedule(*stages: Stage, poisson_seed: int | None = None) -> Iterator[float]:
    """Yield the due time of every arrival of the stages, one after another, without a gap or a burst between them.

    With a `poisson_seed` the arrivals are those of a Poisson process at the same rates: one is due where the
    integral reaches a sum of exponential draws (a process of rate 1, with its time bent; Cinlar 1975), but for
    spikes, whose arrivals are all due at once.
    """
    begins_s = 0.0
    before = 0.0
    counts = _whole() if poisson_seed is None else _exponential(random.Random(poisson_seed))
    n = next(counts)
    for stage in stages:
        until = before + stage.arrivals
        while n < until:
            yield begins_s + stage.offset_s(n - before)
            n = next(counts)
        before = until
        begins_s += stage.for_s


def _whole() -> Iterator[float]:
    n = 0
    while True:
        yield float(n)
        n += 1


def _exponential(rng: random.Random) -> Iterator[float]:
    total = 0.0
    while True:
        total += rng.expovariate(1.0)
        yield total


def _check(stage: object, *numbers: float) -> None:
    if not all(0 <= number < math.inf for number in numbers):
        raise ValueError(f"a stage's rates and duration must be finite and not negative: {stage}")
