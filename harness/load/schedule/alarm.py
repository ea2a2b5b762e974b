"""Wakes an event loop at an absolute moment: to some microseconds where the system can.

Event loops sleep in whole milliseconds, which at a thousand arrivals a second
is the whole distance between two. On Linux a timer descriptor wakes the loop
by the kernel's own clock, for less than a sleeping task costs.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
from collections.abc import Callable
from typing import Protocol

from harness.load.call import now_ns

_NS_PER_S = 1_000_000_000
# <sys/timerfd.h>: flags of timerfd_create and timerfd_settime, and <time.h>'s clock that perf_counter reads.
_CLOCK_MONOTONIC = 1
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC if sys.platform == "linux" else 0
_ABSOLUTE = 1
# Loops go in whole milliseconds and may ring early; asked for less, one would only spin.
_STEP_NS = 1_000_000


class Alarm(Protocol):
    """Calls back once for each `set`, at that moment of the `now_ns` clock or a little later; possibly early too."""

    def set(self, at_ns: int) -> None:
        """Ring at `at_ns`, at once if that is past, and not at any moment set before."""

    def close(self) -> None:
        """Never ring again."""


class _Spec(ctypes.Structure):
    """<time.h>'s itimerspec: an interval (0: once) and a first moment."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("at_s", ctypes.c_long),
        ("at_ns", ctypes.c_long),
    )


class TimerAlarm:
    """An alarm by Linux' timerfd. Raises OSError where there is none."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        # PyDLL keeps the interpreter's lock: for a call this short, handing it over would cost more than the call.
        self._libc = ctypes.PyDLL(None, use_errno=True)
        self._fd = self._libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._spec = _Spec()
        self._reference = ctypes.byref(self._spec)
        self._loop = loop
        self._ring = ring
        loop.add_reader(self._fd, self._read)

    def set(self, at_ns: int) -> None:
        """Ring at `at_ns`."""
        # A moment of 0 would switch the timer off.
        self._spec.at_s, self._spec.at_ns = divmod(max(at_ns, 1), _NS_PER_S)
        self._libc.timerfd_settime(self._fd, _ABSOLUTE, self._reference, None)

    def close(self) -> None:
        """Never ring again."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _read(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:  # it was set again in the meantime
            return
        self._ring()


class LoopAlarm:
    """An alarm by the event loop's own timers, in its own steps."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    def set(self, at_ns: int) -> None:
        """Ring at `at_ns`."""
        self._cancel()
        self._handle = self._loop.call_later(max(_STEP_NS, at_ns - now_ns()) / _NS_PER_S, self._ring)

    def close(self) -> None:
        """Never ring again."""
        self._cancel()

    def _cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


def make_alarm(loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> Alarm:
    """Return the most precise alarm there is."""
    # perf_counter is CLOCK_MONOTONIC on Linux, so that both count from the same moment.
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            return TimerAlarm(loop, ring)
    return LoopAlarm(loop, ring)
