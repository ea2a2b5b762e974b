"""Journals written by processes that can be killed: one waits with everything imported and forks each writer.

A writer counts its ticks from 0, or on from where the folder's journal ends, as fast as it can, rolls up after a few
seconds of theirs, and tells the number of each tick once it is committed.
"""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np

from harness.journal import FILE_NAME, Grid, Journal, JournalReader
from harness.records import Event
from harness.root import ROOT

SERIES = 20
GRID = Grid(raw_for_s=20, fine_s=5, fine_for_s=60, coarse_s=15, kept_max_s=60)

_PARENT = """
import os, sys
from pathlib import Path
from harness.journal import FILE_NAME, Journal
from tests.harness.journal.writers import GRID, write_whole
def write(folder):
    journal = Journal(folder, resume=(folder / FILE_NAME).exists(), grid=GRID)
    n = -1 if journal._last_t_s is None else int(journal._last_t_s)
    while True:
        n += 1
        write_whole(journal, n)
        os.write(1, b"%d\\n" % n)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            write(Path(line.strip()))
        finally:
            os._exit(1)
    os.write(1, b"pid %d\\n" % child)
    os.write(1, b"ended %d\\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def write_whole(journal: Journal, n: int) -> None:
    """Write the tick `n`, all of whose figures say so; one in fifty begins a span that is kept."""
    journal.write_tick(n, {f"s{k}": n + k / 128 for k in range(SERIES)}, [Event(n, "tick", {"n": n})])
    if n % 50 == 10:
        journal.keep(n, n + 5)


@contextmanager
def at_one_moment(reader: JournalReader) -> Iterator[None]:
    """Have all reads within see the journal as it is now, whatever is written meanwhile."""
    reader._db.execute("BEGIN")
    reader.series_names()  # the moment is that of the first read
    try:
        yield
    finally:
        reader._db.execute("ROLLBACK")


def whole_ticks(folder: Path) -> int:
    """Return how many ticks there are; fail if any is not whole, missing between, told twice, or the file damaged."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with JournalReader(folder) as reader, at_one_moment(reader):
        told = [event.detail["n"] for event in reader.events() if event.kind == "tick"]
        assert told == list(range(len(told)))
        t_s = reader.ticks()
        for k in range(SERIES if told else 0):
            found = reader.buckets(f"s{k}")
            assert np.array_equal(found.t_s, t_s)
            assert np.array_equal(found.last, t_s + k / 128)
            assert np.array_equal(found.high, found.last)
            # Each begins where the one before ended, and has in it just the ticks that lie between.
            assert np.array_equal(found.low, np.concatenate([[k / 128], found.high[:-1] + 1]))
            assert np.array_equal(found.n, found.high - found.low + 1)
            assert np.array_equal(found.mean, (found.low + found.high) / 2)
        assert (t_s[-1] if told else -1) == len(told) - 1
    return len(told)


@dataclass(frozen=True)
class Writer:
    """A process that writes a journal; `lines` are what it tells, up to its end."""

    pid: int
    lines: Iterator[str]

    def until(self, n: int) -> int:
        """Return the number of the first tick from `n` on that is committed."""
        for told in map(int, self.lines):
            if told >= n:
                return told
        raise AssertionError("the writer ended by itself")

    def kill(self) -> int:
        """Kill it and return the number of the last tick that it told of since last asked, -1 where there is none."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        return max(map(int, self.lines), default=-1)


class Writers:
    """Starts writers, one at a time."""

    def __init__(self, parent: subprocess.Popen[str]) -> None:
        self._asked, self._told = cast("IO[str]", parent.stdin), cast("IO[str]", parent.stdout)

    @contextmanager
    def writing(self, folder: Path) -> Iterator[Writer]:
        """Start to write in a folder; what is not killed within is killed at the end."""
        self._asked.write(f"{folder}\n")
        self._asked.flush()
        early: list[str] = []
        while not (line := next(self._told)).startswith("pid"):
            early.append(line)
        lines = itertools.takewhile(lambda line: not line.startswith("ended"), itertools.chain(early, self._told))
        writer = Writer(int(line.split()[1]), lines)
        try:
            yield writer
        finally:
            writer.kill()


@contextmanager
def writers() -> Iterator[Writers]:
    """Start the process that forks writers; the last of them must have ended."""
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        yield Writers(parent)
        cast("IO[str]", parent.stdin).close()
