"""The planted defect `flapping_recovery`: back after an outage, the service answers once and fails again for a while.

So does one that takes all the waiting traffic at once and falls over, or
that calls itself ready before its cache is warm. Whoever takes the first good
answer for recovery never sees it.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Relapse:
    """Refuses for `lasts_s` seconds after the first readiness that follows an outage; 0 for never.

    The first readiness of all is no recovery. `now_s` is a monotonic clock.
    """

    def __init__(self, lasts_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._lasts_s = lasts_s
        self._now_s = now_s
        self._was_ready = False
        self._out = False
        self._ends_s = -1.0

    def hear(self, *, ready: bool) -> None:
        """Hear whether the service just found itself ready."""
        if not ready:
            # Not while it refuses: a check that hung since the outage would begin another.
            self._out = self._was_ready and not self.refuses
            return
        if self._out:
            self._ends_s = self._now_s() + self._lasts_s
        self._was_ready, self._out = True, False

    @property
    def refuses(self) -> bool:
        """Whether requests are to be refused now."""
        return self._lasts_s > 0 and self._now_s() < self._ends_s
