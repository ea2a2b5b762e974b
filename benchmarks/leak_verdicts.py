"""The leak verdict on simulated gauges, beside least squares and Mann-Kendall.

Each series is judged twice: as it is, which nobody may call a leak, and with a
leak laid over it of the size that our verdict had said the run could show,
which nobody may pass. The breakdown by kind goes to the log.
"""

from __future__ import annotations

import logging
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from benchmarks import simulated as gauges
from benchmarks.leak_peers import PEERS
from benchmarks.rows import Row
from benchmarks.simulated import MB, Kind
from harness.criteria.budget import Budget
from harness.stats.gauges import GaugeKind, kind_of
from harness.stats.leak import decide_leak
from harness.verdict import Verdict

Floats = NDArray[np.float64]
_log = logging.getLogger(__name__)

OURS = "ours"
_BASE = 100 * MB
_POOL_MAX = 20
_FALSE_ALARMS_MAX, _SILENT_MAX = 1.0, 2.0
# These carry every leak; the other kinds, each a single nuisance, only an even one.
_WHOLE = frozenset({"composite", "whole", "rotation"})
BY_LOAD = "by load"


@dataclass(frozen=True, slots=True)
class Setting:
    """One benchmark's options: how many series of each kind and run length, the seed of the first, and `scale`.

    `scale` is by how much longer the runs of real processes are than usual.
    """

    series: int = 200
    seed: int = 0
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Run:
    """A length of run and what is judged in it; with `requests`, against those instead of hours."""

    name: str
    hours: float
    every_s: float
    family: str = "memory"
    requests: float | None = None

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The healthy gauges."""
        return gauges.DESCRIPTORS if self.family == "descriptors" else {**gauges.FIRST, **gauges.SECOND}

    @property
    def limits(self) -> GaugeKind:
        """What the gauge may do."""
        series = "process.any.fds" if self.family == "descriptors" else "process.any.rss_bytes"
        kind = kind_of(series)
        assert kind is not None  # noqa: S101 - both are in the table
        return kind

    @property
    def budget(self) -> float:
        """The growth allowed for each unit of the abscissa."""
        return Budget().growth(self.limits.budget, "h" if self.requests is None else "request")

    def abscissa(self, rng: Generator, t_h: Floats) -> Floats:
        """Return hours, or the requests of a load that changes."""
        if self.requests is None:
            return t_h
        return np.asarray(np.cumsum(gauges.load(rng, t_h)) * self.requests / len(t_h))


RUNS = (
    Run("2 min", 1 / 30, 1.0),
    Run("10 min", 1 / 6, 1.0),
    Run("1 h", 1.0, 5.0),
    Run("24 h", 24.0, 60.0),
    Run("20 000 requests", 1 / 30, 1.0, requests=20_000),
    Run("fds, 20 000 requests", 1 / 30, 1.0, "descriptors", requests=20_000),
    Run("fds, 24 h", 24.0, 60.0, "descriptors"),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """What one rule decided of all series of a kind, in percent."""

    false_alarms: float
    passed: float
    # By leak: found, and passed in silence.
    found: Mapping[str, float]
    silent: Mapping[str, float]


def simulated(setting: Setting) -> list[Row]:
    """Return the rows of every run length."""
    rows = []
    for run in RUNS:
        cells = {kind: judged(run, kind, setting) for kind in run.kinds}
        for kind, by_rule in cells.items():
            _log.info("%s, %s: %s", run.name, kind, "; ".join(_told(rule, cell) for rule, cell in by_rule.items()))
        rows += list(_rows(run, {rule: [cell[rule] for cell in cells.values()] for rule in (OURS, *PEERS)}))
    return rows


def judged(run: Run, kind: str, setting: Setting) -> Mapping[str, Cell]:
    """Return what each rule makes of the kind's series, by its name."""
    counts: Counter[tuple[str, str, Verdict]] = Counter()
    # Against requests, a leak by load is a line.
    uneven = [name for name in gauges.UNEVEN if run.requests is None or name != BY_LOAD]
    names = [*gauges.LEAKS, *uneven] if kind in _WHOLE else ["line"]
    leaks = {**gauges.LEAKS, **gauges.UNEVEN}
    for seed in range(setting.seed, setting.seed + setting.series):
        rng = default_rng([seed, zlib.crc32(f"{run.name} {kind}".encode())])
        t_h = gauges.times_h(run.hours, run.every_s)
        x, y = run.abscissa(rng, t_h), _BASE + run.kinds[kind](rng, t_h)
        size = max(run.budget, decisions(run, x, y, counts, "healthy"))
        for name in names:
            leaking = y + size * leaks[name](rng, x)
            decisions(run, x, np.floor(leaking) if run.family == "descriptors" else leaking, counts, name)

    def share(rule: str, series: str, verdict: Verdict) -> float:
        return 100 * counts[rule, series, verdict] / setting.series

    return {
        rule: Cell(
            share(rule, "healthy", Verdict.FAIL),
            share(rule, "healthy", Verdict.PASS),
            {name: share(rule, name, Verdict.FAIL) for name in names},
            {name: share(rule, name, Verdict.PASS) for name in names},
        )
        for rule in (OURS, *PEERS)
    }


def decisions(run: Run, x: Floats, y: Floats, counts: Counter[tuple[str, str, Verdict]], series: str) -> float:
    """Count what each rule decides of a series; return the smallest leak that ours says it could have shown."""
    leak = decide_leak(x, y, budget=run.budget, wander=run.limits.wander_with(_POOL_MAX))
    counts[OURS, series, leak.verdict] += 1
    for name, rule in PEERS.items():
        counts[name, series, rule(x, y, run.budget)] += 1
    return leak.detectable


def _rows(run: Run, cells: Mapping[str, list[Cell]]) -> Iterator[Row]:
    """Yield a run length's rows: the mean over kinds, and the worst kind or leak, each beside both peers."""
    alarms = {rule: [cell.false_alarms for cell in of] for rule, of in cells.items()}
    passed = {rule: [cell.passed for cell in of] for rule, of in cells.items()}
    found = {rule: [share for cell in of for share in _of(cell.found, *gauges.LEAKS)] for rule, of in cells.items()}
    silent = {rule: [share for cell in of for share in _of(cell.silent, *gauges.LEAKS)] for rule, of in cells.items()}
    uneven = {rule: [share for cell in of for share in _of(cell.silent, *gauges.UNEVEN)] for rule, of in cells.items()}
    measures = [
        ("false alarms %, mean", _each(np.mean, alarms), _FALSE_ALARMS_MAX),
        ("false alarms %, worst kind", _each(np.max, alarms), None),
        ("healthy passed %, mean", _each(np.mean, passed), None),
        ("leaks found %, mean", _each(np.mean, found), None),
        ("leaks passed %, mean", _each(np.mean, silent), _SILENT_MAX),
        ("leaks passed %, worst kind", _each(np.max, silent), _SILENT_MAX),
        ("uneven leaks passed %, mean", _each(np.mean, uneven), None),
    ]
    for measure, told, at_most in measures:
        for peer in PEERS:
            ours, theirs = told[OURS], told[peer]
            goal = None if at_most is None else f"<= {at_most:g}"
            holds = None if at_most is None else ours <= at_most
            yield Row(f"{run.name}: {measure}", ours, theirs, peer, ours / theirs if theirs else None, goal, holds)


def _of(shares: Mapping[str, float], *names: str) -> list[float]:
    return [shares[name] for name in names if name in shares]


def _each(of_many: Callable[[list[float]], float], shares: Mapping[str, list[float]]) -> dict[str, float]:
    """Return one figure for each rule."""
    return {rule: float(of_many(of)) for rule, of in shares.items()}


def _told(rule: str, cell: Cell) -> str:
    leaks = ", ".join(f"{name} found {cell.found[name]:.1f} passed {cell.silent[name]:.1f}" for name in cell.found)
    return f"{rule}: false alarms {cell.false_alarms:.1f}, passed {cell.passed:.1f}, {leaks}"
