"""Is the garbage collector of each service worth its pauses?

A collector that runs and runs and finds nothing takes time from every request:
something keeps allocating what lives, or the thresholds are wrong. How long it
pauses is told beside that, for whoever looks for the reason of a slow tick.
"""

from __future__ import annotations

import numpy as np

from harness.criteria.budget import Budget
from harness.criteria.limits import Statistic, When
from harness.judging.checks.sampled import Part, SeriesSource, part_of
from harness.judging.checks.statistic import seen_of
from harness.units import format_s
from harness.verdict import Finding, Verdict

_CHECK = "gc"
_COLLECTIONS, _COLLECTED = "gc_collections", "gc_collected"
_PAUSES, _PAUSE_S = "gc_pauses", "gc_pause_s"
_QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
# A ratio needs no whole: half of the calm shows it, and each hole that a fault cuts into it takes a look with it.
_SEEN_MIN = 0.5
# Of fewer collections the ratio is chance.
_COLLECTIONS_MIN = 30
# A collector that takes less of the time wastes none worth a word, whatever it finds: a service that makes no cycles
# has nothing for it to free. Where no pauses are told, each collection counts as the 10 ms that a full one may take.
_SHARE_MIN = 0.01
_COLLECTION_S = 0.01


def check_gc(source: SeriesSource, budget: Budget) -> list[Finding]:
    """Return for each service that tells of its collector whether a collection in the calm freed enough.

    The efficiency is the number of objects that were freed for each collection,
    of whichever generation. A service that tells nothing of it has no finding.
    """
    names = set(source.names())
    parts = [name.split(".") for name in names]
    services = sorted(part[1] for part in parts if part[0] == "runtime" and part[-1] == _COLLECTIONS)
    return [_judge(source, each, budget) for each in services if f"runtime.{each}.{_COLLECTED}" in names]


def _judge(source: SeriesSource, service: str, budget: Budget) -> Finding:
    collections, collected = (_part(source, service, figure) for figure in (_COLLECTIONS, _COLLECTED))
    allowed = f"at least {budget.gc_efficiency:g} objects a collection"
    seen = min(seen_of(part, Statistic.INCREASE) for part in (collections, collected))
    if seen < _SEEN_MIN:
        reason = f"only {seen:.0%} of the calm was watched"
        told = f"garbage collector of {service}: {reason}"
        return Finding(_CHECK, Verdict.INCONCLUSIVE, reason, allowed, service, told)
    runs, freed = float(collections.gained.sum()), float(collected.gained.sum())
    beside = _pauses(source, service)
    if runs < _COLLECTIONS_MIN or _share(source, service, collections) < _SHARE_MIN:
        observed = f"{runs:.0f} collections"
        told = f"garbage collector of {service}: {observed} in the calm, too few or too short to waste much{beside}"
        return Finding(_CHECK, Verdict.PASS, observed, allowed, service, told)
    verdict = Verdict.FAIL if freed / runs < budget.gc_efficiency else Verdict.PASS
    observed = f"{freed / runs:.3g} objects a collection"
    told = f"garbage collector of {service}: {observed} in {runs:.0f} in the calm, allowed {allowed}{beside}"
    return Finding(_CHECK, verdict, observed, allowed, service, told)


def _share(source: SeriesSource, service: str, collections: Part) -> float:
    """Return which share of the calm the collector took, by its pauses, or by the number of its collections."""
    paused = _part(source, service, _PAUSE_S)
    seen_s = float(paused.took_s.sum())
    if seen_s:
        return float(paused.gained.sum()) / seen_s
    return _COLLECTION_S * float(collections.gained.sum()) / max(float(collections.took_s.sum()), collections.every_s)


def _part(source: SeriesSource, service: str, figure: str) -> Part:
    return part_of(source, f"runtime.{service}.{figure}", When.CALM)


def _pauses(source: SeriesSource, service: str) -> str:
    """Return the quantiles of the pauses in words, each pause counted as the mean of its tick's; empty without any."""
    pauses, paused = (_part(source, service, figure) for figure in (_PAUSES, _PAUSE_S))
    if not (np.array_equal(pauses.at_s, paused.at_s) and pauses.gained.any()):
        return ""
    some = pauses.gained > 0
    each_s, counts = paused.gained[some] / pauses.gained[some], pauses.gained[some]
    quantiles_s = np.quantile(each_s, list(_QUANTILES.values()), weights=counts, method="inverted_cdf")
    told = ", ".join(f"{name} {format_s(value)}" for name, value in zip(_QUANTILES, quantiles_s, strict=True))
    return f"; pauses {told}, {paused.gained.sum() / max(paused.took_s.sum(), paused.every_s):.2%} of the time"
