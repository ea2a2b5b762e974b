"""Does any gauge of a service grow with the requests it serves, or with the hours?

Every gauge that can leak is judged by one procedure (`harness.stats.leak`), on
the longest stretch in which its process was not restarted, and only in the
calm of the run. Along requests always; along hours where the run is long
enough to promise that it decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.criteria.budget import Budget
from harness.judging.checks.sampled import PRESENT
from harness.judging.evidence import Evidence
from harness.judging.registry import Check, register
from harness.judging.series import Floats, Gauge, GaugeName
from harness.quantity import growth_scale, rounded
from harness.stats.gauges import GaugeKind, kind_of
from harness.stats.leak import Leak, decide_leak
from harness.stats.segments import longest_stretch, without_rotations
from harness.verdict import Finding, Measurement, Result, Verdict

# A stalled link makes Toxiproxy buffer, so its memory says nothing about the system under test.
NOT_JUDGED = frozenset({"toxiproxy"})
# A new process fills up within this many samples; further apart, a leak would pass for the size of a process.
_NEAR = 10
# The widest pool of the reference, where no service reports its own.
_POOL_MAX = 20
_HOUR_S = 3600.0
# What each service must be decided about: a run that leaves it undecided does not pass.
_PROMISED = frozenset({"memory"})
_SPARSE = ("uss_bytes", "sockets_")
# What a service forks a process for takes some of.
_OF_PROCESSES = frozenset({"rss_bytes", "uss_bytes", "memory_bytes"})
# The gauge that stands for its kind: messages name its kind in place of the figure.
_FIRST = frozenset({"rss_bytes", "memory_bytes", "heap_bytes", "fds", "threads", "children", "pids", "bytes"})


@dataclass(frozen=True, slots=True)
class Axis:
    """What growth is counted against: `x`, shape (n,), ascending, in units called `unit`."""

    unit: str
    x: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One gauge's decision along one axis, by the points `x` and `y` (in the axis' and the gauge's units).

    `since` names the stretch they are of where that is not the whole run.
    """

    name: GaugeName
    kind: GaugeKind
    axis: str
    leak: Leak
    allowed: float
    x: Floats
    y: Floats
    since: str = ""

    @property
    def promised(self) -> bool:
        """Whether a run that leaves it undecided is no pass."""
        return self.kind.name in _PROMISED and self._first

    @property
    def _first(self) -> bool:
        return self.name.kind != "witness" and self.name.figure in _FIRST

    @property
    def where(self) -> str:
        """Which gauge it is, shortest where it stands for its kind."""
        figure = "" if self._first else f" {self.name.figure}"
        return f"{self.name.subject}{figure}"

    @property
    def subject(self) -> str:
        """What a message is about: `api memory`, `api asyncio tasks`."""
        figure = self.kind.name if self._first else self.name.figure.removesuffix("_bytes").replace("_", " ")
        return f"{self.name.subject} {figure}"


def check_growth(evidence: Evidence, budget: Budget) -> list[Result]:
    """Return a finding for each gauge that was decided or had to be, and one measurement that names all the others."""
    judged = list(judge_gauges(evidence, budget))
    undecided = [one for one in judged if one.leak.verdict is Verdict.INCONCLUSIVE and not one.promised]
    results: list[Result] = [_finding(one) for one in judged if one not in undecided]
    measured = {one.name.subject for one in judged if one.promised}
    results += [_unmeasured(service, budget) for service in sorted({*evidence.services} - NOT_JUDGED - measured)]
    if undecided:
        names = sorted({str(one.name) for one in undecided})
        observed = f"undecided for {len(names)} gauge{'s' if len(names) > 1 else ''}"
        message = f"growth {observed} (informational): {', '.join(names)}"
        results.append(Measurement("growth", observed, "gauges", message, {"undecided": len(names)}))
    return results


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
            yield Judged(name, kind, axis.unit, leak, allowed, points.x, points.y, points.since)


def _pool_max(evidence: Evidence) -> int:
    """Return the widest pool that a service reports."""
    widths = [
        float(np.nanmax(gauge.high))
        for name, gauge in evidence.series.gauges.items()
        if name.figure.startswith("pool_") and name.figure.endswith("_max")
    ]
    return int(max(widths, default=_POOL_MAX))


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """What of a gauge may be judged, or why nothing may; `since` names the stretch where that is not all."""

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
    # An answer that came late is in the tick in which it came, which need not be one of the samples.
    seen, due = calm & ~np.isnan(gauge.low), calm & evidence.series.sampled
    if not seen.any():
        return _Points(nothing, nothing, "not measured outside faults and recovery")
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
    since = f"measured from {begins_s:.1f} to {ends_s:.1f} s, its longest stretch without a restart"
    return _Points(x, y, since=since if restarts_s else "")


def _decide(points: _Points, allowed: float, wander: float) -> Leak:
    if points.refused:
        return Leak(Verdict.INCONCLUSIVE, math.nan, math.inf, points.refused)
    return decide_leak(points.x, points.y, budget=allowed, wander=wander)


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
    leak, kind = judged.leak, judged.kind
    scale = growth_scale(kind.unit, judged.axis, leak.slope, leak.half_width, judged.allowed)
    measured = not math.isnan(leak.slope)
    notes = []
    if measured:
        detectable = f"smallest detectable leak {scale.rough(leak.detectable)}"
        notes = [_reason(judged), f"leak score {leak.score:.2f}, {detectable}", judged.since]
    return Finding.about(
        judged.subject,
        check=_check(kind),
        verdict=leak.verdict,
        where=judged.where,
        observed=scale.estimate(leak.slope, leak.half_width) if measured else f"undecided ({leak.reason})",
        allowed=scale.text(judged.allowed),
        limit=scale.bare(judged.allowed) if measured else None,
        notes=notes,
        figures={
            "observed": leak.slope,
            "half_width": leak.half_width,
            "allowed": judged.allowed,
            "unit": f"{kind.unit or '1'}/{judged.axis}",
            "score": leak.score,
            "detectable": leak.detectable,
            "needed": leak.needed(judged.allowed),
            "samples": len(judged.x),
        },
    )


def _check(kind: GaugeKind) -> str:
    return f"{kind.name.replace(' ', '_')}_growth"


def _reason(judged: Judged) -> str:
    """Return why growth is not below the budget; of an undecided one how long a run would decide."""
    leak = judged.leak
    if leak.verdict is Verdict.PASS:
        return ""
    if leak.verdict is Verdict.FAIL or not math.isfinite(leak.half_width):
        return leak.reason
    needed = leak.needed(judged.allowed)
    amount = f"{rounded(needed, 2)} h" if judged.axis == "h" else f"{int(float(rounded(needed, 2))):,} requests"
    return f"{leak.reason}: about {amount} needed"


def _unmeasured(service: str, budget: Budget) -> Finding:
    allowed = budget.memory_growth_bytes_per_request
    return Finding.about(
        f"{service} memory",
        check="memory_growth",
        verdict=Verdict.INCONCLUSIVE,
        where=service,
        observed="undecided (not measured)",
        allowed=growth_scale("B", "request", allowed).text(allowed),
    )


register(Check("growth", 90, lambda case: check_growth(case.evidence, case.budget)))
