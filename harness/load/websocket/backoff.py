"""How long a dropped user waits before coming back: exponential, capped, with full jitter.

A user who came back at once, or all users in step, would make the herd that
the load is to measure and not to cause. One iterator is one outage; drawn from
a generator of its own it repeats with the run's seed, independent of other users.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

# 2**30 times any base is beyond any cap, and keeps the power small in an outage of days.
_DOUBLINGS_MAX = 30


def delays_s(*, base_s: float, cap_s: float, rng: random.Random) -> Iterator[float]:
    """Return endless delays in seconds: the n-th, from 0, uniform between 0 and `min(cap_s, base_s * 2**n)`.

    "Full jitter" as in Marc Brooker, "Exponential Backoff and Jitter" (AWS
    Architecture Blog, 2015). Raises ValueError unless 0 < base_s <= cap_s.
    """
    if not 0 < base_s <= cap_s:
        raise ValueError(f"backoff needs 0 < base_s <= cap_s, not {base_s} and {cap_s}")
    return _draw(base_s, cap_s, rng)


def _draw(base_s: float, cap_s: float, rng: random.Random) -> Iterator[float]:
    doublings = 0
    while True:
        yield rng.uniform(0.0, min(cap_s, base_s * 2.0**doublings))
        doublings = min(doublings + 1, _DOUBLINGS_MAX)
