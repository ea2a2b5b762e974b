"""Two days of ticks into the journal as fast as it takes them, beside two ways of keeping every value.

Ticks are written one transaction each, as in a run; only nobody waits for the
next. The peers keep the same values for some hours, and what they take on disk
is told for the whole time, for it grows with every tick alike.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import math
import sqlite3
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.rows import Row, compare, judge
from harness.errors import InputError
from harness.journal import Grid, Journal, JournalReader

_HOUR_S = 3600
# Sizes are looked at once in so many ticks: the log beside the file is folded into it more seldom.
_LOOK_TICKS = 100
_MB = 1e6
_SIZE_MAX_MB = 50.0
# A tick of a second that takes a tenth of it to write is a stall.
_TICK_MAX_S = 0.1
_GROWTH_MAX_MB = 1.0
# Faults are spread over the run, and each is kept for so long.
_FAULT_S = 300.0

_log = logging.getLogger(__name__)

Values = Mapping[str, float]


class Keeper(Protocol):
    """What a contestant has to do."""

    def write_tick(self, t_s: float, values: Values) -> None:
        """Keep one tick, safe from the end of this process once it returns."""

    def close(self) -> None:
        """Let go of the files."""


class EveryRow:
    """SQLite as it comes to mind: a row a value, in the order in which they are read, nothing rolled up."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "rows.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(
            "CREATE TABLE sample (series_id INTEGER, t_s REAL, value REAL, PRIMARY KEY (series_id, t_s)) WITHOUT ROWID"
        )

    def write_tick(self, t_s: float, values: Values) -> None:
        """Keep one tick; series are numbered as they come."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(
            "INSERT INTO sample VALUES (?, ?, ?)", [(n, t_s, v) for n, v in enumerate(values.values())]
        )
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()


class JsonLines:
    """A line of JSON a tick, given to the system at once."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / "ticks.jsonl").open("w", encoding="utf-8")

    def write_tick(self, t_s: float, values: Values) -> None:
        """Keep one tick."""
        self._file.write(json.dumps({"t_s": t_s, **values}) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Disturbed:
    """The journal of a run with so many faults that as much is kept raw as may be."""

    def __init__(self, folder: Path, hours: float) -> None:
        self._journal = Journal(folder)
        self._every_s = max(2 * _FAULT_S, hours * _HOUR_S * _FAULT_S / Grid().kept_max_s)
        self._next_s = 0.0

    def write_tick(self, t_s: float, values: Values) -> None:
        """Keep one tick, and what follows it where a fault begins."""
        self._journal.write_tick(t_s, values)
        if t_s >= self._next_s:
            self._journal.keep(t_s, t_s + _FAULT_S)
            self._next_s += self._every_s

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()


@dataclass(frozen=True, slots=True)
class Kept:
    """What it took: the most bytes there were on disk, seconds a tick (shape (ticks,)), memory from the first hour."""

    size_bytes: float
    tick_s: NDArray[np.float64]
    grown_bytes: float


def ticks(hours: float, seed: int = 7331) -> Iterator[tuple[float, Values]]:
    """Yield a tick a second of forty series: sizes in whole pages, counters, levels, and figures never twice alike."""
    rng = np.random.default_rng(seed)
    services = ("api", "auth", "postgres", "redis")
    counters = {f"process.{service}.cpu_s": 0.0 for service in services} | {"generator.cpu_s": 0.0}
    pages = {f"process.{s}.{figure}": 20_000.0 for s in services for figure in ("rss_bytes", "uss_bytes", "vms_bytes")}
    pages["generator.rss_bytes"] = 20_000.0
    levels = [f"process.{s}.{figure}" for s in services for figure in ("fds", "threads", "sockets_established")]
    counts = ["load.cache_put.ok", "load.cache_get.ok", "load.rpc_small.ok", "load.all.offered", "generator.in_flight"]
    times = [*(f"load.all.response_s_{q}" for q in ("p50", "p95", "p99")), "generator.lag_s_p95", "generator.lag_s_max"]
    for second in range(1, round(hours * _HOUR_S) + 1):
        for name, step in zip(counters, rng.uniform(0, 0.2, len(counters)).tolist(), strict=True):
            counters[name] = round(counters[name] + step, 2)
        for name, step in zip(pages, rng.integers(-50, 51, len(pages)).tolist(), strict=True):
            pages[name] = max(1.0, pages[name] + step)
        values = counters | {name: 4096 * size for name, size in pages.items()}
        values |= zip(levels, rng.integers(20, 30, len(levels)).tolist(), strict=True)
        values |= zip(counts, rng.poisson(160, len(counts)).tolist(), strict=True)
        values |= zip(times, rng.lognormal(-5, 1, len(times)).tolist(), strict=True)
        yield second + float(rng.uniform(0, 0.003)), values


def keep_all(keeper: Keeper, folder: Path, hours: float) -> Kept:
    """Have a contestant keep so many hours in its folder."""
    # Written to already, so that it is no growth when it fills.
    took_s = np.full(round(hours * _HOUR_S), np.nan)
    size_bytes = grown_from = 0.0
    # The first hour fills what there is to fill; a shorter run has none to spare.
    warm = min(_HOUR_S, len(took_s) // 2)
    for n, (t_s, values) in enumerate(ticks(hours)):
        began_s = time.perf_counter()
        keeper.write_tick(t_s, values)
        took_s[n] = time.perf_counter() - began_s
        if n % _LOOK_TICKS == 0 or n == len(took_s) - 1:
            size_bytes = max(size_bytes, sum(path.stat().st_size for path in folder.iterdir()))
        if n == warm:
            grown_from = _rss_bytes()
    return Kept(size_bytes, took_s, _rss_bytes() - grown_from)


def rows(arguments: Sequence[str]) -> Iterator[Row]:
    """Yield what the journal takes on disk, a tick, in memory and to be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks journal", description=__doc__)
    parser.add_argument("--hours", type=float, default=48.0, help="how long the run is (48)")
    parser.add_argument("--peer-hours", type=float, default=6.0, help="how much of it the peers keep (6)")
    options = parser.parse_args(arguments)
    for name in ("hours", "peer_hours"):
        # From a minute on there are enough ticks to tell of.
        if not 1 / 60 <= (hours := getattr(options, name)) < float("inf"):
            raise InputError(
                "command line", f"--{name.replace('_', '-')}", hours, "must be at least a minute, in hours"
            )
    what, peer_hours = f"{options.hours:g} h of 40 series", min(options.hours, options.peer_hours)
    with tempfile.TemporaryDirectory() as scratch:
        ours = yield from _ours(Path(scratch), what, options.hours)
        for name, begin in (("SQLite, every row", EveryRow), ("JSON lines", JsonLines)):
            peer = _peer(begin, Path(scratch), peer_hours)
            _log.info("%s: %g h kept", name, peer_hours)
            size_mb = peer.size_bytes / _MB * options.hours / peer_hours
            by = f"{name} (from {peer_hours:g} h)"
            yield compare(f"{what}: MB on disk", ours.size_bytes / _MB, size_mb, by)
            for at, quantile in (("p50", 0.5), ("p99", 0.99)):
                figures_s = [float(np.quantile(kept.tick_s, quantile)) for kept in (ours, peer)]
                yield compare(f"a tick: us {at}", figures_s[0] * 1e6, figures_s[1] * 1e6, by)


def _ours(scratch: Path, what: str, hours: float) -> Generator[Row, None, Kept]:
    """Yield the journal's own rows and return what it took."""
    folder = scratch / "ours"
    folder.mkdir()
    with Journal(folder) as journal:
        ours = keep_all(journal, folder, hours)
        _log.info("journal: %g h kept", hours)
        yield judge(f"{what}: MB on disk, log included", ours.size_bytes / _MB, at_most=_SIZE_MAX_MB)
        yield from _stalls("a tick", ours)
        yield judge(f"{what}: growth of RSS MB", ours.grown_bytes / _MB, at_most=_GROWTH_MAX_MB)
        with JournalReader(folder) as reader:
            names = reader.series_names()
            yield judge("read the whole of a series: s", _seconds(reader.buckets, names, -math.inf))
            yield judge("read ten minutes of a series: s", _seconds(reader.buckets, names, hours * _HOUR_S - 600))
    kept_h = Grid().kept_max_s / _HOUR_S
    disturbed = _peer(lambda folder: Disturbed(folder, hours), scratch, hours)
    _log.info("journal with faults: %g h kept", hours)
    what = f"{what}, faults keeping {kept_h:g} h of it raw"
    yield judge(f"{what}: MB on disk, log included", disturbed.size_bytes / _MB, at_most=_SIZE_MAX_MB)
    yield from _stalls(f"a tick while {kept_h:g} h are kept raw", disturbed)
    return ours


def _stalls(what: str, kept: Kept) -> Iterator[Row]:
    """Yield how long the slowest tick in a thousand takes, and, for what the machine did to it, the slowest of all."""
    yield judge(f"{what}: s p99.9", float(np.quantile(kept.tick_s, 0.999)), at_most=_TICK_MAX_S)
    yield judge(f"{what}: s max", float(kept.tick_s.max()))


def _seconds(read: Callable[[str, float], object], names: Sequence[str], since_s: float) -> float:
    """Return what one read of one series takes, the mean over all of them."""
    began_s = time.perf_counter()
    for name in names:
        read(name, since_s)
    return (time.perf_counter() - began_s) / len(names)


def _peer(begin: Callable[[Path], Keeper], scratch: Path, hours: float) -> Kept:
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        keeper = begin(Path(folder))
        try:
            return keep_all(keeper, Path(folder), hours)
        finally:
            keeper.close()


def _rss_bytes() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)
