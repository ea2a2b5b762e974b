"""What each arrival asks for: operations by weight, drawn from the run's seed.

The same seed gives the same sequence of operations, whatever their outcomes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mix:
    """Operations by name, each with its weight; weights need not sum to 1."""

    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        """Raise ValueError where nothing could ever be drawn."""
        if not self.weights or min(self.weights.values()) < 0 or sum(self.weights.values()) <= 0:
            raise ValueError(f"a mix needs at least one positive weight and no negative one: {dict(self.weights)}")

    def draw(self, seed: int) -> Iterator[str]:
        """Yield operation names for ever, in the proportions of the weights."""
        rng = random.Random(seed)
        names, weights = list(self.weights), list(self.weights.values())
        while True:
            yield from rng.choices(names, weights, k=1024)
