"""One process at a time heals a run's faults or begins a new part of the run; another waits until it is done.

The lock is the operating system's, on the ledger itself, so that one who is
killed holds no other up.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.errors import ChaosError
from harness.wait import comes_true

# A healer needs a few seconds; one that meets with resistance gives up before this.
_LIMIT_S = 30.0
_POLL_S = 0.02
# Far behind anything a ledger will hold: where a lock forbids reading, it forbids it there.
_PLACE = 1 << 30


@contextlib.contextmanager
def ledger_lock(ledger: Path, *, limit_s: float = _LIMIT_S) -> Iterator[None]:
    """Hold the lock of a ledger, which is made where there is none. Raises ChaosError when it is not to be had."""
    try:
        file = ledger.open("ab")
    except OSError as error:
        raise ChaosError(f"the undo ledger {ledger} cannot be opened: {error}") from error
    with file:
        if not comes_true(lambda: _take(file.fileno()), limit_s=limit_s, poll_s=_POLL_S):
            raise ChaosError(f"{ledger}: locked by another process for {limit_s:.0f} s")
        try:
            yield
        finally:
            _give_back(file.fileno())


if sys.platform == "win32":
    import msvcrt
    import os

    def _take(descriptor: int) -> bool:
        os.lseek(descriptor, _PLACE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _give_back(descriptor: int) -> None:
        os.lseek(descriptor, _PLACE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise ChaosError(f"this file system has no locks: {error}") from error
        return True

    def _give_back(descriptor: int) -> None:
        # Said, not left to the closing: a fork of ours may hold a copy of the file open.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
