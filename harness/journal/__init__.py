"""The crash-safe record of a run: one SQLite file in WAL mode, one transaction a tick.

A killed run loses at most the tick in hand. The same file is read while it is
written (by the live console) and long afterwards (by the report), so the read
side knows nothing of the run.
"""

from __future__ import annotations

from harness.journal.reader import Buckets, JournalReader
from harness.journal.reserve import Reserve
from harness.journal.rollup import Grid
from harness.journal.schema import FILE_NAME
from harness.journal.writer import Journal

__all__ = ["FILE_NAME", "Buckets", "Grid", "Journal", "JournalReader", "Reserve"]
