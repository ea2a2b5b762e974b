"""The crash-safe record of a run, one SQLite transaction a tick: a killed run loses at most the tick in hand."""

from __future__ import annotations

from harness.journal.reader import Buckets, JournalReader
from harness.journal.reserve import Reserve
from harness.journal.rollup import Grid
from harness.journal.schema import FILE_NAME
from harness.journal.writer import Journal

__all__ = ["FILE_NAME", "Buckets", "Grid", "Journal", "JournalReader", "Reserve"]
