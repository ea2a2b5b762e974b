"""What becomes of samples as they age: raw ticks, then cells of 10 s, then cells of 60 s.

Cells lie on one grid for all series, and a cell bears the time of its last
tick, so that series stay aligned. A tick's transaction also rolls up at most
one cell of each width: the work never piles up, and a crash sees a cell
either in its parts or as a whole.
"""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass

from harness.journal.schema import COARSE, FINE, RAW

_RAW_TO_FINE = """
INSERT INTO fine
SELECT :at_s, whole.series_id, n, low, coalesce(min(max(mean, low), high), value), high, value
FROM (SELECT series_id, count(*) AS n, min(value) AS low, avg(value) AS mean, max(value) AS high, max(t_s) AS last_s
      FROM raw WHERE t_s >= :from_s AND t_s < :to_s GROUP BY series_id) AS whole
JOIN raw ON raw.t_s = whole.last_s AND raw.series_id = whole.series_id
"""
_FINE_TO_COARSE = """
INSERT INTO coarse
SELECT :at_s, whole.series_id, whole.n, whole.low, coalesce(min(max(whole.mean, whole.low), whole.high), last),
       whole.high, last
FROM (SELECT series_id, sum(n) AS n, min(low) AS low, sum(n * mean) / sum(n) AS mean, max(high) AS high,
             max(t_s) AS last_s
      FROM fine WHERE t_s >= :from_s AND t_s < :to_s GROUP BY series_id) AS whole
JOIN fine ON fine.t_s = whole.last_s AND fine.series_id = whole.series_id
"""
# Rounding may put a mean a last bit outside its values, hence min and max; infinities of both signs have none, hence
# coalesce: a strange sample must not stop the recording.
_LAST_TICK = "SELECT max(t_s) FROM tick WHERE level = :level AND t_s >= :from_s AND t_s < :to_s"
_DROP_TICKS = "DELETE FROM tick WHERE level = :level AND t_s >= :from_s AND t_s < :to_s"
_MERGE = {
    FINE: (_RAW_TO_FINE, "DELETE FROM raw WHERE t_s >= :from_s AND t_s < :to_s", _DROP_TICKS),
    COARSE: (_FINE_TO_COARSE, "DELETE FROM fine WHERE t_s >= :from_s AND t_s < :to_s", _DROP_TICKS),
}


@dataclass(frozen=True, slots=True)
class Grid:
    """How long samples stay raw, how wide cells are, how long the fine ones stay; all in seconds.

    `coarse_s` must be a multiple of `fine_s`. The defaults, each for a reason:
    the live page draws the newest hour and most runs are no longer; half a day
    of 10 s cells shows what a night's run did within a minute; 60 s cells are
    still 2880 in 48 h, more than a chart has pixels and a leak's fit has use
    for. `kept_max_s` bounds what `keep` holds back: four hours of 40 series are
    13 MB, so that the whole stays under 50.
    """

    raw_for_s: float = 3600.0
    fine_s: float = 10.0
    fine_for_s: float = 12 * 3600.0
    coarse_s: float = 60.0
    kept_max_s: float = 4 * 3600.0

    def __post_init__(self) -> None:
        if self.fine_s <= 0 or self.coarse_s % self.fine_s:
            raise ValueError(f"coarse_s = {self.coarse_s:g} must be a multiple of fine_s = {self.fine_s:g}")


Span = tuple[float, float]


def united(spans: list[Span]) -> list[Span]:
    """Return the same time as ascending spans that neither overlap nor touch."""
    result: list[Span] = []
    for from_s, to_s in sorted(spans):
        if result and from_s <= result[-1][1]:
            result[-1] = (result[-1][0], max(to_s, result[-1][1]))
        else:
            result.append((from_s, to_s))
    return result


class RollUp:
    """Ages the samples of one open journal; every call belongs inside a transaction of the caller's."""

    def __init__(self, db: sqlite3.Connection, grid: Grid) -> None:
        self._db = db
        self._grid = grid
        self._kept: list[Span] = db.execute("SELECT from_s, to_s FROM kept ORDER BY from_s").fetchall()
        # No raw tick before this will ever be rolled up: what is left there is kept.
        self._from_s = -math.inf

    def step(self, now_s: float) -> None:
        """Roll up the oldest cell of each width, if all of it is old enough at `now_s`. Raises sqlite3.Error."""
        grid = self._grid
        raw_s, fine_s = self._oldest_raw_s(), self._first_s(FINE, -math.inf)
        if raw_s is not None:
            self._merge(FINE, raw_s, grid.fine_s, until_s=now_s - grid.raw_for_s)
        if fine_s is not None:
            # A coarse cell waits for all of its fine ones, however late those are made.
            until_s = min(now_s - grid.fine_for_s, math.inf if raw_s is None else raw_s)
            self._merge(COARSE, fine_s, grid.coarse_s, until_s=until_s)

    def keep(self, from_s: float, to_s: float) -> str | None:
        """Hold back the ticks of a span; return why not all of them, None where all of them. Raises sqlite3.Error."""
        width_s = self._grid.coarse_s
        wanted = (math.floor(from_s / width_s) * width_s, math.ceil(to_s / width_s) * width_s)
        if any(kept[0] <= wanted[0] and wanted[1] <= kept[1] for kept in self._kept):
            return None
        left = (max(wanted[0], self._rolled_to_s()), wanted[1])
        if left[0] >= left[1]:
            return "rolled up already"
        kept = united([*self._kept, left])
        if sum(end_s - begin_s for begin_s, end_s in kept) > self._grid.kept_max_s:
            return f"more than {self._grid.kept_max_s:g} s would be kept"
        self._db.execute("DELETE FROM kept")
        self._db.executemany("INSERT INTO kept VALUES (?, ?)", kept)
        self._kept = kept
        return None if left == wanted else f"rolled up already before {left[0]:g} s"

    def _merge(self, level: int, oldest_s: float, width_s: float, *, until_s: float) -> None:
        from_s = math.floor(oldest_s / width_s) * width_s
        cell: dict[str, float | None] = {"from_s": from_s, "to_s": from_s + width_s, "level": level - 1}
        if from_s + width_s > until_s:
            return
        ((cell["at_s"],),) = self._db.execute(_LAST_TICK, cell)
        for sql in _MERGE[level]:
            self._db.execute(sql, cell)
        self._db.execute("INSERT INTO tick VALUES (?, ?)", (level, cell["at_s"]))

    def _oldest_raw_s(self) -> float | None:
        """Return the time of the oldest raw tick that is not kept."""
        while (t_s := self._first_s(RAW, self._from_s)) is not None:
            end_s = next((kept[1] for kept in self._kept if kept[0] <= t_s < kept[1]), None)
            if end_s is None:
                break
            self._from_s = end_s
        return t_s

    def _first_s(self, level: int, since_s: float) -> float | None:
        sql = "SELECT t_s FROM tick WHERE level = ? AND t_s >= ? ORDER BY t_s LIMIT 1"
        row = self._db.execute(sql, (level, since_s)).fetchone()
        return None if row is None else float(row[0])

    def _rolled_to_s(self) -> float:
        """Return the end of the newest cell."""
        ((t_s,),) = self._db.execute("SELECT max(t_s) FROM tick WHERE level > ?", (RAW,))
        width_s = self._grid.fine_s
        return -math.inf if t_s is None else (math.floor(t_s / width_s) + 1) * width_s
