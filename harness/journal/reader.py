"""The read side of a journal: of a run in progress, finished, or killed.

A series is given as buckets, from single ticks where the run is young to
minutes where it is old; whoever wants plain values takes the means.
"""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from harness.errors import JournalError
from harness.journal.schema import FILE_NAME, check_version, read_meta
from harness.records import Event

# A series that had no value for so long is over, or does not tell every tick.
_CURRENT_S = 60.0

_BUCKETS = """
SELECT tick.t_s, 1, value, value, value, value
FROM tick CROSS JOIN raw ON raw.t_s = tick.t_s AND series_id = (SELECT id FROM series WHERE name = :name)
WHERE level = 0 AND tick.t_s > :since_s
UNION ALL
SELECT tick.t_s, n, low, mean, high, last
FROM tick CROSS JOIN fine ON fine.t_s = tick.t_s AND series_id = (SELECT id FROM series WHERE name = :name)
WHERE level = 1 AND tick.t_s > :since_s
UNION ALL
SELECT tick.t_s, n, low, mean, high, last
FROM tick CROSS JOIN coarse ON coarse.t_s = tick.t_s AND series_id = (SELECT id FROM series WHERE name = :name)
WHERE level = 2 AND tick.t_s > :since_s
ORDER BY 1
"""
_LATEST = """
SELECT name, value
FROM (SELECT series_id, max(t_s), value FROM raw
      WHERE t_s > (SELECT max(t_s) FROM tick WHERE level = 0) - ? GROUP BY series_id)
JOIN series ON id = series_id ORDER BY id
"""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """One series over time, all of shape (k,), ascending: ticks and cells of several widths.

    `t_s` is the last tick of each, in seconds since the epoch; it is the same for
    all series, and the bucket begins after the `t_s` before. `n` is in how many
    ticks the series had a value: 1 for a tick, whose four values are equal. The
    sum of a count over a bucket is `n * mean`.
    """

    t_s: Floats
    n: NDArray[np.int64]
    low: Floats
    mean: Floats
    high: Floats
    last: Floats


class JournalReader:
    """Opens a run folder's journal to read it. Every method may raise JournalError. Used from one thread."""

    def __init__(self, run_folder: Path) -> None:
        self.path = run_folder / FILE_NAME
        if not self.path.is_file():
            raise JournalError(f"{self.path}: no such journal")
        try:
            with contextlib.ExitStack() as opened:
                # Not `mode=ro`: a killed writer leaves a log that only a writable handle can recover.
                self._db = opened.enter_context(contextlib.closing(sqlite3.connect(self.path, isolation_level=None)))
                self._db.execute("PRAGMA query_only=ON")
                check_version(self._db)
                opened.pop_all()
        except sqlite3.Error as error:
            raise JournalError(f"{self.path}: not a readable journal: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._db.close()

    def meta(self) -> dict[str, object]:
        """Return the facts about the whole run."""
        with self._reading():
            return read_meta(self._db)

    def series_names(self) -> list[str]:
        """Return the names of all series, in the order they first appeared."""
        return [name for (name,) in self._rows("SELECT name FROM series ORDER BY id")]

    def ticks(self, since_s: float = -math.inf) -> Floats:
        """Return when all ticks and cells after `since_s` ended, shape (k,), ascending: the times series can have."""
        rows = self._rows("SELECT t_s FROM tick WHERE t_s > ? ORDER BY t_s", since_s)
        return np.asarray(rows, dtype=np.float64).reshape(len(rows))

    def series(self, name: str, since_s: float = -math.inf) -> tuple[Floats, Floats]:
        """Return one series after `since_s` as (t_s, means), both of shape (k,), ascending in time.

        Times are in seconds since the epoch. Where the run is old a value is
        the mean over a cell's ticks; see `buckets` for what that leaves out.
        """
        buckets = self.buckets(name, since_s)
        return buckets.t_s, buckets.mean

    def buckets(self, name: str, since_s: float = -math.inf) -> Buckets:
        """Return one series after `since_s`; empty where there is none of that name."""
        rows = self._rows(_BUCKETS, {"name": name, "since_s": since_s})
        t_s, n, low, mean, high, last = np.asarray(rows, dtype=np.float64).reshape(len(rows), 6).T
        return Buckets(t_s, n.astype(np.int64), low, mean, high, last)

    def latest(self, within_s: float = _CURRENT_S) -> Mapping[str, float]:
        """Return the newest value of each series that has one in the run's last `within_s` seconds."""
        return dict(self._rows(_LATEST, within_s))

    def events(self) -> list[Event]:
        """Return all events in time order."""
        rows = self._rows("SELECT t_s, kind, detail FROM event ORDER BY t_s, rowid")
        return [Event(t_s, kind, json.loads(detail)) for t_s, kind, detail in rows]

    def _rows(self, sql: str, values: Mapping[str, object] | float | None = None) -> list[Any]:
        bound = values if isinstance(values, Mapping) else () if values is None else (values,)
        with self._reading():
            return self._db.execute(sql, bound).fetchall()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise JournalError(f"{self.path}: cannot be read: {error}") from error
