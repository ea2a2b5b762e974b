"""One writer a journal: a lock that the system itself drops when its process ends, however it ends.

A file of its own, since SQLite's locks on the database come and go with each
transaction, and readers must not be shut out.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path

from harness.errors import JournalError

FILE_NAME = "journal.lock"
_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}

if sys.platform == "win32":
    import msvcrt

    # Beyond the text: a locked byte cannot be read by others, and they are to read whose it is.
    _LOCKED_BYTE = 4096

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        # Not lockf: it would let the same process open the journal twice.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class WriterLock:
    """Held from construction to `release`. Raises JournalError where another holds it or there can be none."""

    def __init__(self, run_folder: Path) -> None:
        self.path = run_folder / FILE_NAME
        try:
            with contextlib.ExitStack() as opened:
                file = opened.enter_context(self.path.open("a+", encoding="ascii"))
                try:
                    _lock(file.fileno())
                except OSError as error:
                    if error.errno not in _HELD:
                        raise
                    file.seek(0)
                    raise JournalError(f"{self.path}: process {file.read(20).strip() or '?'} is writing it") from error
                file.truncate(0)
                file.write(f"{os.getpid()}\n")
                file.flush()
                self._held = opened.pop_all()
        except OSError as error:
            raise JournalError(f"{self.path}: cannot be opened: {error}") from error

    def release(self) -> None:
        """Let others write; the file stays, for removing it would let two hold locks on two files of one name."""
        self._held.close()
