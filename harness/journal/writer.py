"""The write side of a journal: a tick is whole or absent, and the file stays small however long the run."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.errors import JournalError
from harness.journal.lock import WriterLock
from harness.journal.rollup import Grid, RollUp
from harness.journal.schema import FILE_NAME, check_version, create, read_meta
from harness.records import Event

# What the log beside the file is cut back to after a reader has held it for long.
_LOG_BYTES = 8_000_000


class Journal:
    """The write side. Used by one thread at a time, mostly the recorder's.

    A new journal refuses a folder that has one; `resume` goes on with one that
    a killed run left, as it was after that run's last whole tick. Either way
    the folder is this process's until `close` or its end. Whatever cannot be
    opened or written raises JournalError.
    """

    def __init__(self, run_folder: Path, *, resume: bool = False, grid: Grid | None = None) -> None:
        self.path = run_folder / FILE_NAME
        with contextlib.ExitStack() as opened:
            self._lock = WriterLock(run_folder)
            opened.callback(self._lock.release)
            if resume and not self.path.is_file():
                raise JournalError(f"{self.path}: no such journal to resume")
            if self.path.exists() and not resume:
                raise JournalError(f"{self.path}: holds a run already; resume it, or choose another folder")
            try:
                # The run's thread opens and closes it, the recorder's writes: never two at once.
                self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
                opened.callback(self._db.close)
                self._prepare(resume=resume)
                self._ids: dict[str, int] = dict(self._db.execute("SELECT name, id FROM series"))
                self._last_t_s: float | None = self._db.execute("SELECT max(t_s) FROM tick").fetchone()[0]
                self._rollup = RollUp(self._db, grid or Grid())
            except sqlite3.Error as error:
                raise JournalError(f"{self.path}: cannot be opened: {error}") from error
            opened.pop_all()

    def _prepare(self, *, resume: bool) -> None:
        if resume:
            check_version(self._db)
        self._db.execute("PRAGMA journal_mode=WAL")
        # NORMAL survives a killed process whole; only a power cut may lose the last ticks.
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")
        # A cell is sorted in memory: the disk may be full.
        self._db.execute("PRAGMA temp_store=MEMORY")
        if not resume:
            create(self._db)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Fold the write-ahead log into the one file and let go of it; harmless when repeated or after a failure."""
        # On a full disk the fold fails; the log beside the file still holds every tick, and readers read both.
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()
        self._lock.release()

    def meta(self) -> dict[str, object]:
        """Return the facts about the whole run, those from before it was resumed among them."""
        try:
            return read_meta(self._db)
        except sqlite3.Error as error:
            raise JournalError(f"{self.path}: cannot be read: {error}") from error

    def write_meta(self, values: Mapping[str, object]) -> None:
        """Record facts about the whole run; a key given again is replaced."""
        rows = [(key, json.dumps(value)) for key, value in values.items()]
        with self._transaction("meta"):
            self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    def write_tick(self, t_s: float, values: Mapping[str, float], events: Iterable[Event] = ()) -> None:
        """Record one tick's series and the events since the last, in one transaction. Ticks must ascend."""
        if self._last_t_s is not None and t_s <= self._last_t_s:
            raise JournalError(f"{self.path}: tick not written: {t_s} s is not after the last, {self._last_t_s} s")
        for name, value in values.items():
            if math.isnan(value):
                raise JournalError(f"{self.path}: tick not written: {name} is no number")
        ids = {name: len(self._ids) + n for n, name in enumerate((v for v in values if v not in self._ids), start=1)}
        known = self._ids | ids
        with self._transaction("tick"):
            self._db.executemany("INSERT INTO series VALUES (?, ?)", [(number, name) for name, number in ids.items()])
            self._db.execute("INSERT INTO tick VALUES (0, ?)", (t_s,))
            self._db.executemany("INSERT INTO raw VALUES (?, ?, ?)", [(t_s, known[n], v) for n, v in values.items()])
            self._tell(*events)
            self._rollup.step(t_s)
        self._ids, self._last_t_s = known, t_s

    def keep(self, from_s: float, to_s: float) -> bool:
        """Never roll up the ticks of a span (a fault and its aftermath), widened to the coarse grid.

        The span may reach into the future and be given again, longer. False where
        not all of it is kept, because it is rolled up already or there is too much
        kept; an event `ticks_not_kept` {from_s, to_s, reason} then says so.
        """
        with self._transaction("kept span"):
            refused = self._rollup.keep(from_s, to_s)
            if refused is not None:
                self._tell(Event(from_s, "ticks_not_kept", {"from_s": from_s, "to_s": to_s, "reason": refused}))
        return refused is None

    def mark_gap(self, from_s: float, to_s: float) -> None:
        """Record that nobody watched from `from_s`, the last tick of a killed run, to `to_s`, when it was resumed."""
        with self._transaction("gap"):
            self._tell(Event(from_s, "gap", {"from_s": from_s, "to_s": to_s}))

    def _tell(self, *events: Event) -> None:
        rows = [(event.t_s, event.kind, json.dumps(dict(event.detail))) for event in events]
        self._db.executemany("INSERT INTO event VALUES (?, ?, ?)", rows)

    @contextmanager
    def _transaction(self, what: str) -> Iterator[None]:
        """Commit what is written within, or nothing of it."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk has rolled it back already.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise JournalError(f"{self.path}: {what} not written: {error}") from error
