"""Is the garbage collector of each service worth its pauses?

A collector that runs often and frees nothing takes time from every request:
something keeps allocating what lives, or the thresholds are wrong. How long it
pauses stands beside that, for it may explain a slow tick.
"""

from __future__ import annotations

import numpy as np

from harness.criteria.budget import Budget
from harness.criteria.limits import WHERE, Statistic, When
from harness.judging.checks.sampled import Part, SeriesSource, part_of
from harness.judging.checks.statistic import seen_of
from harness.judging.registry import Case, Check, register
from harness.quantity import rounded
from harness.units import format_s
from harness.verdict import Finding, Measurement, Result, Verdict

_CHECK = "gc"
_OUTSIDE = WHERE[When.CALM]
_COLLECTIONS, _COLLECTED = "gc_collections", "gc_collected"
_PAUSES, _PAUSE_S = "gc_pauses", "gc_pause_s"
_QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
# A ratio needs no whole: half of the calm shows it, and each hole that a fault cuts into it takes a sample with it.
_SEEN_MIN = 0.5
# Of fewer collections the ratio is chance.
_COLLECTIONS_MIN = 30
# A collector that takes less of the time is not judged: a service that makes no cycles has nothing for it to free.
# Where no pauses are reported, each collection counts as the 10 ms that a full one may take.
_SHARE_MIN = 0.01
_COLLECTION_S = 0.01


def check_gc(source: SeriesSource, budget: Budget) -> list[Result]:
    """Return for each service that reports its collector whether a collection in the calm freed enough.

    The efficiency is the number of objects that were freed for each collection, of any generation. A collector that
    ran too little to be judged is a measurement.
    """
    names = set(source.names())
    parts = [name.split(".") for name in names]
    services = sorted(part[1] for part in parts if part[0] == "runtime" and part[-1] == _COLLECTIONS)
    return [_judge(source, each, budget) for each in services if f"runtime.{each}.{_COLLECTED}" in names]


def _judge(source: SeriesSource, service: str, budget: Budget) -> Result:
    collections, collected = (_part(source, service, figure) for figure in (_COLLECTIONS, _COLLECTED))
    subject = f"{service} garbage collector"
    measured = min(seen_of(part, Statistic.INCREASE) for part in (collections, collected))
    runs, freed = float(collections.gained.sum()), float(collected.gained.sum())
    pauses = _pauses(source, service)
    share = _share(source, service, collections)
    figures: dict[str, float | str] = {"collections": runs, "freed": freed, "share": share}
    if measured >= _SEEN_MIN and (runs < _COLLECTIONS_MIN or share < _SHARE_MIN):
        observed = f"{runs:.0f} collections {_OUTSIDE}, {share:.2%} of the time"
        message = f"{subject}: {observed} (too few to judge)" + (f"; {pauses}" if pauses else "")
        return Measurement(_CHECK, observed, service, message, figures)
    if measured < _SEEN_MIN:
        verdict, observed = Verdict.INCONCLUSIVE, f"undecided (only {measured:.0%} measured {_OUTSIDE})"
    else:
        verdict = Verdict.FAIL if freed / runs < budget.gc_efficiency else Verdict.PASS
        observed = f"{rounded(freed / runs)} objects/collection"
        figures |= {"observed": freed / runs}
    return Finding.about(
        subject,
        check=_CHECK,
        verdict=verdict,
        where=service,
        observed=observed,
        allowed=f"at least {budget.gc_efficiency:g} objects/collection",
        limit=f"at least {budget.gc_efficiency:g}",
        notes=[f"{runs:.0f} collections", pauses] if runs else [],
        figures=figures | {"allowed": budget.gc_efficiency, "unit": "objects/collection"},
    )


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
    times = ", ".join(f"{name} {format_s(value)}" for name, value in zip(_QUANTILES, quantiles_s, strict=True))
    return f"pauses {times}, {paused.gained.sum() / max(paused.took_s.sum(), paused.every_s):.2%} of the time"


def _reports(case: Case) -> bool:
    return any(name.startswith("runtime.") and name.endswith(f".{_COLLECTED}") for name in case.source.names())


register(Check(_CHECK, 140, lambda case: check_gc(case.source, case.budget), applies=_reports))
