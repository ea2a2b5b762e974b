"""Does any gauge of a service grow with the requests it serves, or with the hours?

Every gauge that can leak is judged by one procedure (`harness.stats.leak`), on
the longest stretch in which its process was not restarted, and only in the
calm of the run. Along requests always; along hours where the run is long
enough to promise that it decides.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.criteria.budget import Budget
from harness.judging.checks.sampled import PRESENT
from harness.judging.evidence import Evidence
from harness.judging.series import Floats, Gauge, GaugeName
from harness.stats.gauges import GaugeKind, kind_of
from harness.stats.leak import Leak, decide_leak
from harness.stats.segments import longest_stretch, without_rotations
from harness.units import format_bytes
from harness.verdict import Finding, Verdict

# A stalled link makes Toxiproxy buffer, so its memory says nothing about the system under test.
NOT_JUDGED = frozenset({"toxiproxy"})
# A new process fills up within this many samples; further apart, a leak would pass for the size of a process.
_NEAR = 10
# The widest pool of the reference, where no service tells its own.
_POOL_MAX = 20
_HOUR_S = 3600.0
# What each service must be decided about, and for which a run that cannot tell does not pass.
_PROMISED = frozenset({"memory"})
_SPARSE = ("uss_bytes", "sockets_")
# What a service forks a process for takes some of.
_OF_PROCESSES = frozenset({"rss_bytes", "uss_bytes", "memory_bytes"})
# The gauge that stands for its kind: it is told by its service's name alone.
_FIRST = frozenset({"rss_bytes", "memory_bytes", "heap_bytes", "fds", "threads", "children", "pids", "bytes"})


@dataclass(frozen=True, slots=True)
class Axis:
    """What growth is counted against: `x`, shape (n,), ascending, in units called `unit`."""

    unit: str
    x: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One gauge's decision along one axis, by the points `x` and `y` (in the axis' and the gauge's units)."""

    name: GaugeName
    kind: GaugeKind
    axis: str
    leak: Leak
    allowed: float
    x: Floats
    y: Floats

    @property
    def promised(self) -> bool:
        """Whether a run that cannot tell is no pass."""
        return self.kind.name in _PROMISED and self._first

    @property
    def _first(self) -> bool:
        return self.name.kind != "witness" and self.name.figure in _FIRST

    @property
    def where(self) -> str:
        """Which gauge it is, shortest where it stands for its kind."""
        figure = "" if self._first else f" {self.name.figure}"
        return f"{self.name.subject}{figure}"


def check_growth(evidence: Evidence, budget: Budget) -> list[Finding]:
    """Return a finding for each gauge that was decided or had to be, and one that names all the others.

    What so short a run does not promise to decide, and did not, is told and keeps nobody from passing.
    """
    judged = list(judge_gauges(evidence, budget))
    undecided = [one for one in judged if one.leak.verdict is Verdict.INCONCLUSIVE and not one.promised]
    findings = [_finding(one) for one in judged if one not in undecided]
    seen = {one.name.subject for one in judged if one.promised}
    findings += [_unseen(service) for service in sorted({*evidence.services} - NOT_JUDGED - seen)]
    if undecided:
        names = ", ".join(sorted({str(one.name) for one in undecided}))
        told = f"growth of what such a run does not promise to decide: it could not tell of {names}"
        findings.append(Finding("growth", Verdict.PASS, f"{len(undecided)} not told", "not promised", "gauges", told))
    return findings


def judge_gauges(evidence: Evidence, budget: Budget) -> Iterator[Judged]:
    """Yield the decision about every gauge that can leak, along each axis that the run is long enough for."""
    hours = evidence.load_end_s - evidence.warm_s >= budget.growth_decides_after_s
    axes = [Axis("request", evidence.requests), *([Axis("h", evidence.series.t_s / _HOUR_S)] if hours else [])]
    pool_max = _pool_max(evidence)
    for name, gauge in sorted(evidence.series.gauges.items()):
        kind = kind_of(str(name))
        if kind is None or name.subject in NOT_JUDGED:
            continue
        for axis in axes:
            allowed = budget.growth(kind.budget, axis.unit)
            points = _points(evidence, name, gauge, kind, axis)
            leak = _decide(points, allowed, kind.wander_with(pool_max))
            yield Judged(name, kind, axis.unit, leak, allowed, points.x, points.y)


def _pool_max(evidence: Evidence) -> int:
    """Return the widest pool that a service tells of."""
    told = [
        float(np.nanmax(gauge.high))
        for name, gauge in evidence.series.gauges.items()
        if name.figure.startswith("pool_") and name.figure.endswith("_max")
    ]
    return int(max(told, default=_POOL_MAX))


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """What of a gauge may be judged, or why nothing may; `since` tells of the stretch where that is not all."""

    x: Floats
    y: Floats
    refused: str = ""
    since: str = ""


def _points(evidence: Evidence, name: GaugeName, gauge: Gauge, kind: GaugeKind, axis: Axis) -> _Points:
    t_s, nothing = evidence.series.t_s, np.empty(0)
    restarts_s = evidence.restarts_s(name.subject)
    within = np.flatnonzero(evidence.calm)
    within = within[longest_stretch(t_s[within], restarts_s=restarts_s)]
    calm = np.zeros_like(evidence.calm)
    calm[within] = True
    # An answer that came late stands in the tick in which it came, which need not be one of the looks.
    seen, due = calm & ~np.isnan(gauge.low), calm & evidence.series.sampled
    if not seen.any():
        return _Points(nothing, nothing, "it could not be measured in the calm of the run")
    if not name.figure.startswith(_SPARSE) and seen.sum() < PRESENT * due.sum():
        return _Points(nothing, nothing, f"only {seen.sum()} of {due.sum()} samples present")
    # A tick in which no request ended adds no point to a curve over requests.
    x, first = np.unique(axis.x[seen], return_index=True)
    y = gauge.low[seen]
    if kind.rotates:
        y = without_rotations(y)
    y = y[first]
    processes = evidence.series.processes.get(name.subject)
    if processes is not None and name.figure in _OF_PROCESSES:
        y = without_passing(y, processes.low[seen][first])
    begins_s, ends_s = t_s[seen][0], t_s[seen][-1]
    since = f", from {begins_s:.1f} to {ends_s:.1f} s, its longest stretch without a restart" if restarts_s else ""
    return _Points(x, y, since=since)


def _decide(points: _Points, allowed: float, wander: float) -> Leak:
    if points.refused:
        return _unknown(points.refused)
    leak = decide_leak(points.x, points.y, budget=allowed, wander=wander)
    return dataclasses.replace(leak, reason=leak.reason + points.since)


def _unknown(reason: str) -> Leak:
    return Leak(Verdict.INCONCLUSIVE, math.nan, math.inf, reason)


def without_passing(memory: Floats, processes: Floats) -> Floats:
    """Return what `memory` would have been without the processes that ended again; shapes (n,).

    A service that forks a process for each connection holds more while a pool
    is wide, and that is no leak; what processes hold that never end may be one.
    A process counts as the median growth, over all pairs of near samples with
    different counts, for each process more.
    """
    counts = np.nan_to_num(processes)
    sizes = [np.empty(0)]
    for apart in range(1, min(_NEAR, len(counts) - 1) + 1):
        more, grown = counts[apart:] - counts[:-apart], memory[apart:] - memory[:-apart]
        sizes.append(grown[more != 0] / more[more != 0])
    size = np.concatenate(sizes)
    each = max(0.0, float(np.median(size))) if len(size) else 0.0
    # From here to the end there were never fewer: these have come to stay.
    lasting = np.minimum.accumulate(counts[::-1])[::-1]
    without: Floats = memory - each * (counts - lasting)
    return without


def _finding(judged: Judged) -> Finding:
    leak, check = judged.leak, f"{judged.kind.name.replace(' ', '_')}_growth"
    limit = f"{_text(judged, judged.allowed)} a {judged.axis}"
    subject = f"{judged.kind.name} of {judged.where}"
    if math.isnan(leak.slope):
        message = f"{subject} against budget {limit}: {leak.reason}"
        return Finding(check, leak.verdict, leak.reason, limit, judged.where, message)
    observed = f"{_text(judged, leak.slope)} +- {_text(judged, leak.half_width)} a {judged.axis}"
    message = (
        f"{subject} grows {observed}, budget {limit}: {leak.reason} (leak score {leak.score:.2f};"
        f" this run can show a leak of {_text(judged, leak.detectable)} a {judged.axis}{_longer(judged)})"
    )
    return Finding(check, leak.verdict, observed, limit, judged.where, message)


def _longer(judged: Judged) -> str:
    """Return how long a run would have to be that decides, where this one did not."""
    if judged.leak.verdict is not Verdict.INCONCLUSIVE or not math.isfinite(judged.leak.half_width):
        return ""
    needed = judged.leak.needed(judged.allowed)
    amount = f"{needed:.1f} h" if judged.axis == "h" else f"{math.ceil(needed)} requests"
    return f", and one of about {amount} decides"


def _text(judged: Judged, value: float) -> str:
    if judged.kind.unit != "B":
        return f"{value:.4g}"
    return f"{value:.0f} B" if judged.axis == "request" else format_bytes(value)


def _unseen(service: str) -> Finding:
    told = f"memory of {service}: it could not be measured"
    return Finding("memory_growth", Verdict.INCONCLUSIVE, "not measured", "measured", service, told)
