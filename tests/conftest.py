"""What holds for every test: default signals, its own garbage, and how tests share the machine under pytest-xdist."""

from __future__ import annotations

import fcntl
import gc
import os
import sys
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from harness.signals import handle_inherited

# Children of tests find the default signals, however pytest was started.
handle_inherited()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many workers `-n auto` starts: two a core, as most tests wait most of the time."""
    return 2 * min(4, os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under pytest-xdist, keep a file's tests on one worker, so that it starts its servers once; all alone ones too."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            alone = item.get_closest_marker("alone") is not None
            item.add_marker(pytest.mark.xdist_group("alone" if alone else item.path.as_posix()))


def pytest_collection_finish() -> None:
    """Set aside what importing all tests has made, so that a look for garbage is quick."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _own_garbage() -> Iterator[None]:
    """Blame what a test leaves unclosed on that test, not on the one during which it happens to be found."""
    yield
    gc.collect()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, bool, bool]:
    """Run a test, with the machine to itself where it is marked so; what a failed one leaves open fails no other."""
    alone = item.get_closest_marker("alone") is not None
    if hasattr(item.config, "workerinput"):
        _MACHINE.enter(alone=alone)
    done = yield
    if not (alone and nextitem and nextitem.get_closest_marker("alone")):
        _MACHINE.leave()
    if hasattr(sys, "last_exc"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            # Pytest keeps the traceback for a debugger, and so all that the test had open.
            del sys.last_exc, sys.last_type, sys.last_value, sys.last_traceback
            gc.collect()
    return done


class _Machine:
    """Keeps workers of one clone apart: tests of all of them at once, or one that has the machine to itself."""

    def __init__(self) -> None:
        self._door, self._room = (os.open(path, os.O_RDONLY) for path in (Path(__file__).parent, Path(__file__)))
        self._alone: bool | None = None

    def enter(self, *, alone: bool) -> None:
        """Wait until this worker's next test may run; whoever came first goes first."""
        if self._alone and alone:
            return
        # Held while waiting: whoever comes after one that wants to be alone waits behind it.
        fcntl.flock(self._door, fcntl.LOCK_EX)
        fcntl.flock(self._room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(self._door, fcntl.LOCK_UN)
        self._alone = alone

    def leave(self) -> None:
        """Let the others in."""
        fcntl.flock(self._room, fcntl.LOCK_UN)
        self._alone = None


_MACHINE = _Machine()
