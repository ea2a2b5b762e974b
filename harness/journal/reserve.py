"""Room set aside at the start of a run, so that on a full disk its verdict and report can still be written."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import JournalError

FILE_NAME = "reserve"
# A report is 1.6 MB, mostly its charts' library; the rest is for verdict, profile and the journal's last page.
SIZE_BYTES = 4_000_000


class Reserve:
    """A file of `size_bytes` in the run folder that only takes room. Raises JournalError where there is no room."""

    def __init__(self, run_folder: Path, size_bytes: int = SIZE_BYTES) -> None:
        self.path = run_folder / FILE_NAME
        try:
            with self.path.open("wb") as file:
                # Random, for a file system may store zeros, or what it can compress, as next to nothing.
                file.write(os.urandom(size_bytes))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self.release()
            raise JournalError(f"{self.path}: {size_bytes} bytes cannot be set aside: {error}") from error

    def release(self) -> None:
        """Give the room back; harmless when repeated."""
        self.path.unlink(missing_ok=True)
