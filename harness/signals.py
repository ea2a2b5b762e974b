"""Signals, so that every child starts with the default ones.

A process that ignores a signal passes that on to each program it starts; one
that handles it does not. A script's `&` and some CI runners start us with
SIGINT ignored, `nohup` with SIGHUP ignored.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any] | signal.Handlers


def handle_inherited() -> None:
    """Handle SIGINT and SIGTERM where they were inherited as ignored; an ignored SIGHUP still does nothing, here only.

    Call it in the main thread before the first child is started.
    """
    defaults: Mapping[str, Handler] = {
        "SIGINT": signal.default_int_handler,
        "SIGTERM": signal.SIG_DFL,
        "SIGHUP": _do_nothing,
    }
    for name, handler in defaults.items():
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def ignore(*names: str) -> None:
    """Ignore the named signals in this process, but not in its children; names that this system lacks do not matter."""
    for name in names:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _do_nothing)


def ignores(number: int) -> bool:
    """Whether a signal does nothing in this process."""
    return signal.getsignal(number) in (signal.SIG_IGN, _do_nothing)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    pass


_HANDLERS: Mapping[str, Handler] = {
    "SIGINT": signal.default_int_handler,
    "SIGTERM": signal.SIG_DFL,
    "SIGHUP": _do_nothing,
}
