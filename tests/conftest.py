"""What holds for every test: default signals, its own garbage, and how tests share the machine under pytest-xdist."""

from __future__ import annotations

import fcntl
import gc
import os
import sys
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

import pytest
from hypothesis import settings

from harness.root import ROOT
from harness.signals import handle_inherited
from tests.stores import postgres_child, postgres_dsn, redis_child

__all__ = ["postgres_child", "postgres_dsn", "redis_child"]  # fixtures for every room

# `make test` draws fewer examples, `make test-all` as many as Hypothesis wants; neither judges how long one takes, for
# that is the machine's.
settings.register_profile("quick", max_examples=30, deadline=None)
settings.register_profile("whole", deadline=None)
settings.load_profile("whole")

# Children of tests find the default signals, however pytest was started.
handle_inherited()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many workers `-n auto` starts: one more than cores, as many tests wait and some measure time."""
    return 1 + min(7, os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that have tests marked `alone`: those wait for no other then, and are the longest."""
    first = {item.path for item in items if item.get_closest_marker("alone")}
    items.sort(key=lambda item: item.path not in first)


def pytest_collection_finish() -> None:
    """Set aside what importing all tests has made, so that a look for garbage is quick."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _own_garbage() -> Iterator[None]:
    """Blame what a test leaves unclosed on that test, not on the one during which it happens to be found."""
    yield
    gc.collect()
    # What lives on is the next test's past: set aside, a look costs what one test has made and not what all have.
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool, bool]:
    """Run a test when no other disturbs it; what one that fails leaves open fails no other."""
    alone = item.get_closest_marker("alone") is not None
    apart = sorted({mark.args[0] for mark in item.iter_markers("apart")})
    with _turn(alone=alone, apart=apart) if hasattr(item.config, "workerinput") else nullcontext():
        done = yield
    if hasattr(sys, "last_exc"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            # Pytest keeps the traceback for a debugger, and so all that the test had open.
            del sys.last_exc, sys.last_type, sys.last_value, sys.last_traceback
            gc.collect()
    return done


@contextmanager
def _turn(*, alone: bool, apart: Sequence[str]) -> Iterator[None]:
    """Keep the workers of one clone out of each other's way; one that is alone waits for all, and all wait for it."""
    with ExitStack() as after:
        for folder in apart:
            after.enter_context(_locked(ROOT / folder, fcntl.LOCK_EX))
        # The door is held while waiting: whoever comes after one that wants to be alone waits behind it.
        with _locked(ROOT / "tests", fcntl.LOCK_EX):
            after.enter_context(_locked(Path(__file__), fcntl.LOCK_EX if alone else fcntl.LOCK_SH))
        yield


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        # Not by closing alone: a child that was forked meanwhile has it open as well.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
