"""A series of the journal as the checks read it: in one part of the run, and against the samples there should be.

Where a run is old, its ticks were rolled up, so a series comes in buckets of
several widths; here they are counted by the samples in them.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.criteria.limits import When
from harness.journal import Buckets
from harness.records import Outcome
from harness.verdict import Finding, Verdict

Floats = NDArray[np.float64]

# Below this share of the samples there should be, a series was not really measured.
PRESENT = 0.9
# What the run itself writes with every tick, and the sampler with every pass.
_TICKS, _PASSES = "load.all.offered", "sampler.all.pass_s"
_LOAD = "load"
_OUTCOMES = frozenset(str(outcome) for outcome in Outcome)
# The step from one bucket to the next may be so many times the one shown by its samples before there is a gap.
_GAP = 1.5
_SUGGESTED = 3


class SeriesSource(Protocol):
    """A run's series and its calm, as checks of any series need them; times are seconds since the run's epoch."""

    def names(self) -> Collection[str]:
        """Return the names of all series."""

    def buckets(self, name: str) -> Buckets:
        """Return one series, empty where there is none of that name."""

    def mask(self, t_s: Floats, when: When) -> NDArray[np.bool_]:
        """Return which of the buckets that end at `t_s`, shape (k,), lie in that part of the run."""

    def requests(self, t_s: Floats) -> Floats:
        """Return how many requests had ended by each of `t_s`."""

    def restarts_s(self, name: str) -> Sequence[float]:
        """Return when the process that the series is of was restarted."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A series in one part of a run.

    All are of shape (k,) over its buckets: `at_s` is how many seconds of this part
    of the run were over at the end of each; `gained` is by how much a running
    total rose within each, and `took_s` in how long, both 0 where that is not
    known. `expected` is how many samples there should be, every `every_s` seconds.
    """

    buckets: Buckets
    at_s: Floats
    gained: Floats
    took_s: Floats
    expected: int
    every_s: float

    @property
    def present(self) -> float:
        """The share of the samples that are there."""
        return float(self.buckets.n.sum() / self.expected) if self.expected else 0.0

    @property
    def lasted_s(self) -> float:
        """How long this part of the run is."""
        return self.expected * self.every_s

    def between(self, from_s: float, to_s: float) -> Part:
        """Return what of this part lies after its first `from_s` seconds and within its first `to_s`."""
        # Half a sample's time: sums of seconds do not fall on a window's edge exactly.
        first, last = np.searchsorted(self.at_s, np.array([from_s, to_s]) + self.every_s / 2)
        cut = slice(int(first), int(last))
        expected = round((to_s - from_s) / self.every_s)
        return Part(
            taken(self.buckets, cut), self.at_s[cut], self.gained[cut], self.took_s[cut], expected, self.every_s
        )


def taken(buckets: Buckets, which: slice | NDArray[np.bool_] | NDArray[np.intp]) -> Buckets:
    """Return some of the buckets."""
    return Buckets(
        buckets.t_s[which],
        buckets.n[which],
        buckets.low[which],
        buckets.mean[which],
        buckets.high[which],
        buckets.last[which],
    )


def series_names(source: SeriesSource) -> list[str]:
    """Return the names of all series, those included that were never written since they count what never happened."""
    names = set(source.names())
    operations = {name.split(".")[1] for name in names if _is_count(name)}
    return sorted(names | {f"{_LOAD}.{operation}.{outcome}" for operation in operations for outcome in _OUTCOMES})


def unknown_series(check: str, pattern: str, names: Sequence[str], allowed: str = "at least one") -> Finding:
    """Return the finding of a check whose series the run has not: INCONCLUSIVE, with the nearest names there are."""
    near = difflib.get_close_matches(pattern, names, _SUGGESTED)
    message = f"{pattern}: no such series in this run" + (f"; there is {', '.join(near)}" if near else "")
    return Finding(check, Verdict.INCONCLUSIVE, "no such series", allowed, pattern, message)


def _is_count(name: str) -> bool:
    kind, _, rest = name.partition(".")
    return kind == _LOAD and rest.rpartition(".")[2] in _OUTCOMES


def part_of(source: SeriesSource, name: str, when: When) -> Part:
    """Return one series in one part of the run."""
    ticks = source.buckets(_reference(source, name))
    own = source.buckets(name)
    if _is_count(name) and len(ticks.t_s):
        own = _filled(own, ticks)
    inside = source.mask(ticks.t_s, when)
    every_s = _every_s(ticks)
    clock_s = np.concatenate([[0.0], np.cumsum(np.where(inside, ticks.n, 0)) * every_s])
    at_s = clock_s[np.searchsorted(ticks.t_s, own.t_s, side="right")]
    gained, took_s = _gains(own, at_s)
    mine = source.mask(own.t_s, when)
    expected = int(ticks.n[inside].sum())
    return Part(taken(own, mine), at_s[mine], gained[mine], took_s[mine], expected, every_s)


def _reference(source: SeriesSource, name: str) -> str:
    """Return the series that has a value whenever `name` should have one: what is probed has it with every pass."""
    loaded = name.partition(".")[0] in {_LOAD, "generator", "worker"}
    return _PASSES if _PASSES in source.names() and not loaded else _TICKS


def _every_s(ticks: Buckets) -> float:
    """Return the usual time from a sample to the next, gaps aside."""
    if not len(ticks.t_s):
        return 1.0
    apart_s = np.diff(ticks.t_s, prepend=0.0) / ticks.n
    return float(np.quantile(apart_s, 0.5, weights=ticks.n, method="inverted_cdf"))


def _filled(counts: Buckets, ticks: Buckets) -> Buckets:
    """Return a count on all the run's ticks: it is written only where there was something to count."""
    places = np.searchsorted(ticks.t_s, counts.t_s)
    low, mean, high, last = (np.zeros(len(ticks.t_s)) for _ in range(4))
    whole = counts.n == ticks.n[places]
    low[places] = np.where(whole, counts.low, 0.0)
    mean[places] = counts.mean * counts.n / ticks.n[places]
    high[places], last[places] = counts.high, counts.last
    return Buckets(ticks.t_s, ticks.n, low, mean, high, last)


def _gains(own: Buckets, at_s: Floats) -> tuple[Floats, Floats]:
    """Return by how much a running total rose within each bucket, and in how long; 0 and 0 across a gap."""
    rise, took_s = np.diff(own.last, prepend=np.nan), np.diff(own.t_s, prepend=np.nan)
    # A total that fell was restarted, and has risen from nothing since.
    rise = np.where(rise < 0, own.last, rise)
    with np.errstate(invalid="ignore"):
        known = took_s <= _GAP * np.diff(at_s, prepend=0.0)
    return np.where(known, rise, 0.0), np.where(known, took_s, 0.0)
