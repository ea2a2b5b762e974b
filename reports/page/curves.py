"""What each chart shows: the journal's series, found by their names, as panels of lines thin enough to draw.

No operation and no service is known here. A counter becomes a rate, a
cumulative time becomes cores, and anything else a probe recorded gets a panel
of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.journal import JournalReader
from harness.records import Outcome
from reports.page.thinning import Floats, keep_together, outline

_QUANTILES = ("p50", "p95", "p99")
_MEMORY = {("process", "rss_bytes"), ("container", "memory_bytes")}
# What only ever grows is shown by how fast it does.
_TOTALS = frozenset(
    {
        *("gc_collections", "gc_collected", "gc_pauses", "gc_pause_s", "evicted_keys", "hits", "misses", "deadlocks"),
        *("net_received_bytes", "net_sent_bytes", "block_read_bytes", "block_written_bytes", "written_bytes"),
    }
)
# The gravest lowest in the stack, where its own height can be read off the axis.
_ERRORS = tuple(str(outcome) for outcome in reversed(Outcome) if outcome not in (Outcome.OK, Outcome.CANCELLED))


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: `t_s` and `values` have the same shape (n,); a NaN is a break."""

    name: str
    t_s: Floats
    values: Floats


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart. `unit` is one of seconds, bytes, per_s, cores, count; stacked lines share their times."""

    section: str
    title: str
    unit: str
    lines: tuple[Line, ...]
    log: bool = False
    stacked: bool = False


def read_panels(run_folder: Path) -> list[Panel]:
    """Return every panel that the run has something for, in reading order."""
    with JournalReader(run_folder) as journal:
        series = _Series(journal)
        panels = [*_latency(series), *_throughput(series), *_resources(series), *_generator(series)]
    return [panel for panel in panels if panel.lines]


class _Series:
    """The journal's series by the parts of their names."""

    def __init__(self, journal: JournalReader) -> None:
        self._journal = journal
        self.names = journal.series_names()

    def totals(self, name: str) -> tuple[Floats, Floats]:
        """Return a counting series by tick: how many in each."""
        cells = self._journal.buckets(name)
        return cells.t_s, cells.mean * cells.n

    def lasts(self, name: str) -> tuple[Floats, Floats]:
        """Return where a series stood at the end of each tick."""
        cells = self._journal.buckets(name)
        return cells.t_s, cells.last

    def extremes(self, name: str) -> tuple[Floats, Floats]:
        """Return a series by tick, a cell of many ticks as its lowest and its highest value."""
        cells = self._journal.buckets(name)
        if (cells.n == 1).all():
            return cells.t_s, cells.mean
        return np.repeat(cells.t_s, 2), np.column_stack([cells.low, cells.high]).ravel()

    def parts(self, kind: str) -> list[tuple[str, str, str]]:
        """Return (name, subject, figure) of all series of a kind, such as `process`."""
        split = [(name, name.split(".", 2)) for name in self.names]
        return [(name, parts[1], parts[2]) for name, parts in split if parts[0] == kind and len(parts) == 3]

    def subjects(self, kind: str) -> list[str]:
        """Return every subject that has series of a kind."""
        return sorted({subject for _, subject, _ in self.parts(kind)})

    def line(self, label: str, name: str) -> tuple[Line, ...]:
        """Return the thinned line of a series; none when there is no such series."""
        return (_line(label, *self.extremes(name)),) if name in self.names else ()


def _latency(series: _Series) -> Iterator[Panel]:
    overall = [line for q in _QUANTILES for line in series.line(q, f"load.all.response_s_{q}")]
    yield Panel("load", "Response time of all requests", "seconds", tuple(overall), log=True)
    each = [
        line
        for name, operation, figure in series.parts("load")
        if figure == "response_s_p95" and operation != "all"
        for line in series.line(operation, name)
    ]
    yield Panel("load", "Response time p95 by operation", "seconds", tuple(sorted(each, key=_by_name)), log=True)


def _throughput(series: _Series) -> Iterator[Panel]:
    counts = _counts(series)
    if "load.all.offered" in series.names:
        counts["offered"].append(series.totals("load.all.offered"))
    if not counts:
        return
    ticks_s = np.unique(np.concatenate([t_s for group in counts.values() for t_s, _ in group]))
    rates = {outcome: _rate(ticks_s, group) for outcome, group in counts.items()}
    rates.setdefault("ok", np.zeros_like(ticks_s))
    both = [_line(name, ticks_s, rates[name]) for name in ("offered", "ok", "cancelled") if name in rates]
    yield Panel("load", "Throughput: offered and answered well", "per_s", tuple(both))
    yield Panel("load", "Errors by outcome", "per_s", _stack(ticks_s, rates), stacked=True)


def _counts(series: _Series) -> defaultdict[str, list[tuple[Floats, Floats]]]:
    """Return the counting series by outcome."""
    counts: defaultdict[str, list[tuple[Floats, Floats]]] = defaultdict(list)
    for name, operation, figure in series.parts("load"):
        if figure in {str(outcome) for outcome in Outcome} and operation != "all":
            counts[figure].append(series.totals(name))
    return counts


def _rate(ticks_s: Floats, group: list[tuple[Floats, Floats]]) -> Floats:
    """Return the sum of counting series per second on the run's ticks, 0 where they say nothing."""
    total = np.zeros_like(ticks_s)
    for t_s, values in group:
        total[np.searchsorted(ticks_s, t_s)] += values
    return total / _tick_lengths_s(ticks_s)


def _tick_lengths_s(ticks_s: Floats) -> Floats:
    """Return each tick's length; the last may be cut so short that a single reply in it would look like a burst."""
    lengths_s = np.diff(ticks_s, prepend=0.0)
    return np.maximum(lengths_s, max(0.5 * float(np.median(lengths_s)), 1e-3))


def _stack(ticks_s: Floats, rates: Mapping[str, Floats]) -> tuple[Line, ...]:
    shown = {outcome: rates[outcome] for outcome in _ERRORS if outcome in rates and rates[outcome].any()}
    total = np.sum(list(shown.values()), axis=0)
    if not shown:
        return ()
    chosen = keep_together(ticks_s, [*shown.values(), total])
    return tuple(Line(outcome, ticks_s[chosen], values[chosen]) for outcome, values in shown.items())


def _resources(series: _Series) -> Iterator[Panel]:
    cores: list[Line] = []
    gauges: defaultdict[str, list[Line]] = defaultdict(list)
    rates: defaultdict[str, list[Line]] = defaultdict(list)
    for kind in sorted({name.split(".", 1)[0] for name in series.names} - {"load", "generator", "worker"}):
        for name, service, figure in series.parts(kind):
            if (kind, figure) in _MEMORY:
                yield Panel("memory", f"Memory of {service}", "bytes", series.line(service, name))
            elif figure == "cpu_s":
                cores += _rates(service, *series.lasts(name))
            elif figure in _TOTALS:
                rates[figure] += _rates(service, *series.lasts(name))
            else:
                gauges[figure] += series.line(service, name)
    yield Panel("cpu", "CPU of each service", "cores", tuple(sorted(cores, key=_by_name)))
    for figure, lines in sorted(rates.items()):
        yield Panel("gauges", f"{figure.replace('_', ' ').capitalize()} per second", "per_s", tuple(lines))
    for figure, lines in sorted(gauges.items()):
        unit, title = ("bytes", figure.removesuffix("_bytes")) if figure.endswith("_bytes") else ("count", figure)
        yield Panel("gauges", title.replace("_", " ").capitalize(), unit, tuple(sorted(lines, key=_by_name)))


def _rates(label: str, t_s: Floats, total: Floats) -> list[Line]:
    """Return how much a growing total grows per second; a fall of it is a restart, where the rate is not known."""
    if len(t_s) < 2:
        return []
    rate = np.diff(total) / np.diff(t_s)
    known = rate >= 0
    return [_line(label, t_s[1:][known], rate[known])]


def _generator(series: _Series) -> Iterator[Panel]:
    late = [*series.line("most", "generator.lag_s_max"), *series.line("p95", "generator.lag_s_p95")]
    yield Panel("generator", "Lateness of the load generator", "seconds", tuple(late))
    yield Panel("generator", "Requests in flight", "count", series.line("in flight", "generator.in_flight"))
    parts = {
        "generator": "generator",
        **{f"worker {number}": f"worker.{number}" for number in series.subjects("worker")},
    }
    memory = [line for label, part in parts.items() for line in series.line(label, f"{part}.rss_bytes")]
    yield Panel("generator", "Memory of the generator", "bytes", tuple(memory))
    pauses = [line for label, part in parts.items() for line in series.line(label, f"{part}.gc_pause_s_max")]
    yield Panel("generator", "Longest garbage collection of the generator", "seconds", tuple(pauses))
    cpu = {label: f"{part}.cpu_s" for label, part in parts.items() if f"{part}.cpu_s" in series.names}
    cores = [line for label, name in cpu.items() for line in _rates(label, *series.lasts(name))]
    yield Panel("generator", "CPU of the generator", "cores", tuple(cores))


def _line(name: str, t_s: Floats, values: Floats) -> Line:
    return Line(name, *outline(t_s, values))


def _by_name(line: Line) -> str:
    return line.name
