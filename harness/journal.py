"""The crash-safe record of a run: one SQLite file in WAL mode, one transaction a tick.

A killed run loses at most the tick in hand. The same file is read while it is
written (by the live console) and long afterwards (by the report), so the read
side opens it read-only and knows nothing of the run.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from harness.errors import JournalError
from harness.records import Event

FILE_NAME = "journal.db"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS sample (series_id INTEGER NOT NULL, t_s REAL NOT NULL, value REAL NOT NULL,
                                   PRIMARY KEY (series_id, t_s)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (t_s REAL NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL);
"""


class Journal:
    """The write side. Used from one thread, the recorder's."""

    def __init__(self, run_folder: Path) -> None:
        self.path = run_folder / FILE_NAME
        self._ids: dict[str, int] = {}
        try:
            # The run's thread opens and closes it, the recorder's writes: never two at once.
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            # NORMAL survives a killed process whole; only a power cut may lose the last ticks.
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise JournalError(f"{self.path}: cannot be opened: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Fold the write-ahead log into the one file and let go of it."""
        # On a full disk the fold fails; the log beside the file still holds every tick, and readers read both.
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()

    def write_meta(self, values: Mapping[str, object]) -> None:
        """Record facts about the whole run; a key given again is replaced."""
        rows = [(key, json.dumps(value)) for key, value in values.items()]
        self._transact([("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)])

    def write_tick(self, t_s: float, values: Mapping[str, float], events: Iterable[Event] = ()) -> None:
        """Record one tick's series and the events since the last, in one transaction."""
        new = [name for name in values if name not in self._ids]
        ids = {name: len(self._ids) + n for n, name in enumerate(new, start=1)}
        known = self._ids | ids
        self._transact(
            [
                ("INSERT INTO series VALUES (?, ?)", [(number, name) for name, number in ids.items()]),
                ("INSERT OR REPLACE INTO sample VALUES (?, ?, ?)", [(known[n], t_s, v) for n, v in values.items()]),
                ("INSERT INTO event VALUES (?, ?, ?)", [(e.t_s, e.kind, json.dumps(dict(e.detail))) for e in events]),
            ]
        )
        self._ids = known

    def _transact(self, statements: Iterable[tuple[str, Sequence[tuple[object, ...]]]]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for sql, rows in statements:
                    self._db.executemany(sql, rows)
                self._db.execute("COMMIT")
            except sqlite3.Error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise JournalError(f"{self.path}: tick not written: {error}") from error


class JournalReader:
    """The read side: of a run in progress, finished, or killed. Every read may raise JournalError."""

    def __init__(self, run_folder: Path) -> None:
        self.path = run_folder / FILE_NAME
        if not self.path.is_file():
            raise JournalError(f"{self.path}: no such journal")
        try:
            with contextlib.ExitStack() as opened:
                # Not `mode=ro`: a killed writer leaves a log that only a writable handle can recover.
                self._db = opened.enter_context(contextlib.closing(sqlite3.connect(self.path, isolation_level=None)))
                self._db.execute("PRAGMA query_only=ON")
                self._db.execute("SELECT count(*) FROM meta")
                opened.pop_all()
        except sqlite3.Error as error:
            raise JournalError(f"{self.path}: not a readable journal: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._db.close()

    def meta(self) -> dict[str, object]:
        """Return the facts about the whole run."""
        return {key: json.loads(value) for key, value in self._rows("SELECT key, value FROM meta")}

    def series_names(self) -> list[str]:
        """Return the names of all series, in the order they first appeared."""
        return [name for (name,) in self._rows("SELECT name FROM series ORDER BY id")]

    def series(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return one series as (times in s since the epoch, values), both of shape (n,), times ascending."""
        rows = self._rows(
            "SELECT t_s, value FROM sample JOIN series ON id = series_id WHERE name = ? ORDER BY t_s", name
        )
        table = np.asarray(rows, dtype=np.float64).reshape(len(rows), 2)
        return table[:, 0], table[:, 1]

    def events(self) -> list[Event]:
        """Return all events in time order."""
        rows = self._rows("SELECT t_s, kind, detail FROM event ORDER BY t_s, rowid")
        return [Event(t_s, kind, json.loads(detail)) for t_s, kind, detail in rows]

    def _rows(self, sql: str, *values: str) -> list[Any]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise JournalError(f"{self.path}: cannot be read: {error}") from error
