"""A circuit breaker: stops calling a dependency that keeps failing, and finds out alone when it is back.

Closed lets every call through and opens after `failures_to_open` failures in a
row. Open sheds every call for `reset_s`; then half-open lets exactly one probe
through. A probe that is cancelled gives its place back, one that never ends
loses it after `probe_limit_s`: whatever happens to a probe, another follows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum

FAILURES_TO_OPEN = 5
# The least time from a heal to the probe that finds it; short, because one probe costs the dependency little.
RESET_S = 0.25
# Beyond every deadline of ours, so that only a probe that was lost is given up.
PROBE_LIMIT_S = 5.0


class State(IntEnum):
    """The states, numbered as `/metrics` shows them."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class BreakerOpen(Exception):
    """The call was shed; `retry_after_s` is when the next probe may go."""

    def __init__(self, name: str, retry_after_s: float) -> None:
        super().__init__(f"{name}: circuit breaker open")
        self.retry_after_s = retry_after_s


class Breaker:
    """One dependency's breaker, for calls made on one event loop.

    `failures` are the exceptions that count against the dependency; any other
    exception says nothing about it. `now_s` is a monotonic clock in seconds.
    `stuck_open` is the planted defect `breaker_stuck_open`.
    """

    def __init__(
        self,
        name: str,
        *,
        failures: tuple[type[BaseException], ...],
        failures_to_open: int = FAILURES_TO_OPEN,
        reset_s: float = RESET_S,
        probe_limit_s: float = PROBE_LIMIT_S,
        now_s: Callable[[], float] = time.monotonic,
        stuck_open: bool = False,
    ) -> None:
        self.name = name
        self.state = State.CLOSED
        self.opened_total = 0
        self._counted = failures
        self._failures_to_open = failures_to_open
        self._reset_s = reset_s
        self._probe_limit_s = probe_limit_s
        self._now_s = now_s
        self._stuck_open = stuck_open
        self._failures_in_a_row = 0
        self._next_probe_s = 0.0
        # A result counts only in the period it was admitted in: stragglers of an earlier one are not heard.
        self._period = 0

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Run one call under the breaker. Raises BreakerOpen in place of running it."""
        period = self._admit()
        try:
            yield
        except self._counted:
            self._failed(period)
            raise
        except BaseException:
            self._abandoned(period)
            raise
        else:
            self._succeeded(period)

    def _admit(self) -> int:
        if self.state is not State.CLOSED:
            now_s = self._now_s()
            if self._stuck_open or now_s < self._next_probe_s:
                raise BreakerOpen(self.name, max(0.0, self._next_probe_s - now_s))
            self._enter(State.HALF_OPEN, now_s + self._probe_limit_s)
        return self._period

    def _succeeded(self, period: int) -> None:
        if period != self._period:
            return
        self._failures_in_a_row = 0
        if self.state is State.HALF_OPEN:
            self._enter(State.CLOSED, 0.0)

    def _failed(self, period: int) -> None:
        if period != self._period:
            return
        self._failures_in_a_row += 1
        if self.state is State.CLOSED and self._failures_in_a_row >= self._failures_to_open:
            self.opened_total += 1
            self._open()
        elif self.state is State.HALF_OPEN:
            self._open()

    def _abandoned(self, period: int) -> None:
        if period == self._period and self.state is State.HALF_OPEN:
            self._open()

    def _open(self) -> None:
        self._enter(State.OPEN, self._now_s() + self._reset_s)

    def _enter(self, state: State, next_probe_s: float) -> None:
        self.state = state
        self._next_probe_s = next_probe_s
        self._period += 1
