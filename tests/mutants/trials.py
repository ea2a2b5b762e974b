"""Tries mutants, each in a private copy of the tree: never in the tree itself.

A test that fails proves something only if it passes without the mutant. So the tests that mirror a file are run
unchanged first, and a test from among all the others that fails is run once more without the mutant.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from tests.mutants.catalogue import Mutant, Place

# What a machine may not have is used only when asked for, and then last, as is what takes long.
NEEDY = "needs_docker or needs_browser"
_HEAVY = f"thorough or {NEEDY}"
# A mutant may make tests wait for what never comes: so much longer than without it, and then it is taken for killed.
_SLACK_S, _SLOWER = 60.0, 5
# All tests one after another on two slow cores, and as much again.
_REST_S = 3600.0
# What pytest gets to tear down, once interrupted.
_LEAVE_S = 20.0
_PASSED, _FAILED, _INTERRUPTED, _NOTHING = 0, 1, 2, 5
_FAILURE = re.compile(r"^(?:FAILED|ERROR) (tests/[^\s\[]+)", re.MULTILINE)


class Fate(StrEnum):
    """What became of a mutant; UNDECIDED where the tests fail without it too, or there are none."""

    KILLED = "killed"
    TIMED_OUT = "killed (timed out)"
    SURVIVED = "survived"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Ended:
    """How pytest ended: its exit code, None when it was stopped at its limit; seconds; the tests that failed."""

    code: int | None
    took_s: float
    failed: tuple[str, ...] = ()

    @property
    def fate(self) -> Fate:
        """What that says of a mutant, if the same tests pass without it."""
        if self.code is None:
            return Fate.TIMED_OUT
        if self.code in (_FAILED, _INTERRUPTED):
            return Fate.KILLED
        return Fate.SURVIVED if self.code == _PASSED else Fate.UNDECIDED


class Copy:
    """A private copy of the files `paths` of the tree at `root`, in `folder`."""

    def __init__(self, root: Path, paths: Sequence[PurePosixPath], folder: Path) -> None:
        self.folder = folder
        self._environment = dict(os.environ)
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False
        for path in paths:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / path, folder / path)

    @contextlib.contextmanager
    def broken(self, mutant: Mutant, place: Place) -> Iterator[None]:
        """Have the mutant in this copy."""
        path = self.folder / place.path
        former = path.stat()
        path.write_text(place.mutated(mutant), encoding="utf-8")
        # Python knows cached bytecode by size and time: none that was kept is of this time, and none is kept of it.
        os.utime(path, (0, 0))
        self._environment["PYTHONDONTWRITEBYTECODE"] = "1"
        try:
            yield
        finally:
            del self._environment["PYTHONDONTWRITEBYTECODE"]
            path.write_text(place.source, encoding="utf-8")
            os.utime(path, ns=(former.st_atime_ns, former.st_mtime_ns))

    def run(
        self, tests: Sequence[str], *, limit_s: float, marked: str = "", but: Sequence[str] = (), every: bool = False
    ) -> Ended:
        """Run tests, without those that `but` names, until one fails, or every one of them."""
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.mutants.unshrunk"]
        command += [*([] if every else ["-x"]), *(f"--deselect={test}" for test in but), "-m", marked, *tests]
        began_s = time.monotonic()
        if self._stopped:
            raise KeyboardInterrupt
        self._process = process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            told, _ = process.communicate(timeout=limit_s)
        except BaseException as error:
            _end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                return Ended(None, time.monotonic() - began_s)
            raise
        if self._stopped:
            raise KeyboardInterrupt
        failed = dict.fromkeys(_FAILURE.findall(told))
        return Ended(process.returncode, time.monotonic() - began_s, tuple(failed))

    def stop(self) -> None:
        """Interrupt what runs, and run nothing more; from any thread."""
        self._stopped = True
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)


def limit_s(control: Ended) -> float:
    """Return how long tests may take with a mutant that took so long without one."""
    return _SLACK_S + _SLOWER * control.took_s


def try_rest(copy: Copy, mutant: Mutant, place: Place, tests: Sequence[str], *, heavy: bool) -> Ended:
    """Try a mutant against many tests, with `heavy` the marked ones after the others; what fails anyway is passed over.

    The tests are run in the order given.
    """
    left, ended = list(tests), Ended(_NOTHING, 0.0)
    for marked in (f"not ({_HEAVY})", *([_HEAVY] if heavy else [])):
        while left:
            with copy.broken(mutant, place):
                ended = copy.run(left, limit_s=_REST_S, marked=marked)
            if ended.fate is not Fate.KILLED or not ended.failed:
                break
            if copy.run(ended.failed, limit_s=_REST_S, marked=marked).code == _PASSED:
                return ended
            left.remove(ended.failed[0].partition("::")[0])
        if ended.fate is Fate.TIMED_OUT:
            return ended
    return Ended(_PASSED, ended.took_s) if ended.code == _NOTHING else ended


def _end(process: subprocess.Popen[str]) -> None:
    """Interrupt pytest, so that it takes down what it brought up, then insist."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_LEAVE_S)
            return
