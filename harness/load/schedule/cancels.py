"""Which calls their callers give up in flight, and when: tabs are closed, and clients time out.

What such a call leaves behind on a connection or in a pool is what some systems
get wrong. Drawn from the seed by the call's number, so that the same calls are
given up in any process that plays the load.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cancels:
    """`fraction` of the calls are given up, each at a moment from `least_s` to `most_s` seconds after it was sent.

    One that ends before its moment is a call like any other.
    """

    fraction: float
    least_s: float
    most_s: float

    def __post_init__(self) -> None:
        """Raise ValueError for a fraction or a time that cannot be."""
        if not (0 < self.fraction <= 1 and 0 <= self.least_s <= self.most_s):
            raise ValueError(f"the fraction must be above 0 and at most 1, the times from 0 on and in order: {self}")

    def after_s(self, seed: int, number: int) -> float | None:
        """Return when the call of that number is given up, in seconds from its send; None: never."""
        rng = random.Random(f"{seed}/cancel/{number}")
        return rng.uniform(self.least_s, self.most_s) if rng.random() < self.fraction else None
