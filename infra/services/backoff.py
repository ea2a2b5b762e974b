"""How long to wait before trying again: exponential, capped, with full jitter.

Full jitter (a uniform draw from zero to the exponential delay) spreads a herd
of clients that all lost the same server at the same moment; the cap keeps the
first try after a heal close to it.
"""

from __future__ import annotations

import random

BASE_S = 0.05
# A healed link is noticed within this; the whole service then recovers in well under a second.
CAP_S = 0.5
# 2**30 times any base is beyond any cap, and keeps the power small in an outage of days.
_MOST_DOUBLINGS = 30


class Backoff:
    """The delays of one series of attempts; `reset` begins the next series.

    `rng` is handed in by tests that need the same draws again. `jitter` is
    off only under the planted defect `no_jitter`.
    """

    def __init__(
        self, *, base_s: float = BASE_S, cap_s: float = CAP_S, jitter: bool = True, rng: random.Random | None = None
    ) -> None:
        if not 0 < base_s <= cap_s:
            raise ValueError(f"backoff needs 0 < base_s <= cap_s, not {base_s} and {cap_s}")
        self._base_s = base_s
        self._cap_s = cap_s
        self._jitter = jitter
        self._rng = rng or random.Random()
        self._failures = 0

    def next_s(self) -> float:
        """Return the seconds to wait after one more failure."""
        ceiling_s = min(self._cap_s, self._base_s * 2.0 ** min(self._failures, _MOST_DOUBLINGS))
        self._failures += 1
        return self._rng.uniform(0.0, ceiling_s) if self._jitter else ceiling_s

    def reset(self) -> None:
        """Begin again from the base: the last attempt succeeded."""
        self._failures = 0
