"""Messages of a size: four classes as wide as what services meet, and texts to fill them.

A message's size is drawn within its class from its number alone, evenly in the
logarithm, so that a class is used over all its width and a run repeats.
"""

from __future__ import annotations

import math
import random
from enum import StrEnum
from functools import cache


class SizeClass(StrEnum):
    """Small is less than a packet, huge more than a service likes to hold several of."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    HUGE = "huge"


# Class to least and most bytes (mission S12: below 1 KB, to 100 KB, to 10 MB, above). The reference api takes 32 MiB.
BOUNDS_BYTES = {
    SizeClass.SMALL: (16, 1_000),
    SizeClass.MEDIUM: (1_000, 100_000),
    SizeClass.LARGE: (100_000, 10_000_000),
    SizeClass.HUGE: (10_000_001, 12_000_000),
}

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


def size_bytes(size: SizeClass, number: int) -> int:
    """Return the size of message `number` of a class."""
    least, most = BOUNDS_BYTES[size]
    share = random.Random(number).random()
    return min(most, max(least, round(math.exp(math.log(least) + share * math.log(most / least)))))


def text(size: SizeClass, number: int) -> str:
    """Return an ASCII text of `size_bytes` characters that differs from that of most other numbers."""
    length = size_bytes(size, number)
    begins = number % 1000
    return _stock()[begins : begins + length]


@cache
def _stock() -> str:
    """Return more text than any message takes, without a period that a compressor would find soon."""
    most = max(most for _, most in BOUNDS_BYTES.values()) + 1000
    block = "".join(random.Random(0).choices(_ALPHABET, k=100_003))
    return (block * (most // len(block) + 1))[:most]
