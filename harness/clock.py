"""Time as a value that is handed in, so that tests turn it by hand and never patch `time`."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds, and a way to let some pass."""

    def now_s(self) -> float:
        """Return seconds since an arbitrary fixed moment; never goes back."""

    def sleep_s(self, duration_s: float) -> None:
        """Let `duration_s` seconds pass."""


class RealClock:
    """The machine's own monotonic clock."""

    def now_s(self) -> float:
        """Return `perf_counter` seconds: the one clock that the load engine stamps with too."""
        return time.perf_counter()

    def sleep_s(self, duration_s: float) -> None:
        """Block this thread; an interrupt cuts it short."""
        time.sleep(max(0.0, duration_s))


class ManualClock:
    """A clock that moves only when told; sleeping is how code under test tells it."""

    def __init__(self, now_s: float = 0.0) -> None:
        self._now_s = now_s

    def now_s(self) -> float:
        """Return the time it was last moved to."""
        return self._now_s

    def sleep_s(self, duration_s: float) -> None:
        """Move on by `duration_s` at once."""
        self._now_s += max(0.0, duration_s)
