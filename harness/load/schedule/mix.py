"""What each arrival asks for: operations by weight, drawn from the run's seed.

The same seed gives the same sequence of operations, independent of their outcomes.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from harness.tables import ByHand, NonNegative, marked_schema, validate


@dataclass(frozen=True, slots=True)
class Mix:
    """Operations by name, each with its weight; weights need not sum to 1."""

    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        """Raise ValueError where nothing could ever be drawn."""
        if not self.weights or min(self.weights.values()) < 0 or not 0 < sum(self.weights.values()) < math.inf:
            raise ValueError("must have at least one positive weight, no negative one, and a finite sum")

    def draw(self, seed: int) -> Iterator[str]:
        """Yield operation names for ever, in the proportions of the weights."""
        rng = random.Random(seed)
        names, weights = list(self.weights), list(self.weights.values())
        while True:
            yield from rng.choices(names, weights, k=1024)


def _read(value: object) -> Mix:
    return value if isinstance(value, Mix) else Mix(validate(dict[str, NonNegative], value))


# In a user's table: operation = weight.
MixTable = Annotated[Mix, ByHand(_read, lambda: marked_schema(dict[str, NonNegative]))]
