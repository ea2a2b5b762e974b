"""Bounded waits: each names what it waits for and, when it gives up, what it saw last."""

from __future__ import annotations

from collections.abc import Callable

from harness.clock import Clock, RealClock
from harness.errors import NotReady

POLL_S = 0.05


def wait_until(
    what: str, check: Callable[[], str | None], *, limit_s: float, clock: Clock | None = None, poll_s: float = POLL_S
) -> float:
    """Call `check` until it returns None, and return the seconds that took.

    `check` returns what is still wrong, in words. Raises NotReady with the
    last of those words after `limit_s` seconds; the check always runs once.
    """
    clock = clock or RealClock()
    started_s = clock.now_s()
    while (seen := check()) is not None:
        waited_s = clock.now_s() - started_s
        if waited_s >= limit_s:
            raise NotReady(what, waited_s, seen)
        clock.sleep_s(poll_s)
    return clock.now_s() - started_s


def comes_true(condition: Callable[[], bool], *, limit_s: float, poll_s: float = POLL_S) -> bool:
    """Return whether `condition` becomes true within `limit_s` seconds; it is asked once in any case."""
    try:
        wait_until("condition", lambda: None if condition() else "false", limit_s=limit_s, poll_s=poll_s)
    except NotReady:
        return False
    return True
