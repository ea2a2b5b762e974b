"""Limits on series of the journal: what may be asked of which series, and in which unit.

A named threshold of the budget is about one thing the suite knows; a limit is
about anything that a run records, by the name it is recorded under.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import NamedTuple

from harness.stats.gauges import kind_of
from harness.units import format_bytes, format_s, parse_duration_s, parse_size_bytes

# Of what `harness.stats.gauges` does not know: as memory, and as what is counted.
_WANDER_BYTES, _WANDER_COUNT = 4e6, 4.0


class Statistic(StrEnum):
    """What of a series is held against a bound.

    `EVERY` is each single value; the others make one number of the whole run or
    of a window. `SUM` is of what is counted tick by tick, `INCREASE` of a running
    total, whose restarts from zero are allowed for.
    """

    EVERY = "every"
    MIN = "min"
    MEAN = "mean"
    MAX = "max"
    LAST = "last"
    P50 = "p50"
    P95 = "p95"
    P99 = "p99"
    SUM = "sum"
    SUM_PER_S = "sum_per_s"
    INCREASE = "increase"
    INCREASE_PER_S = "increase_per_s"


INCREASES = frozenset({Statistic.INCREASE, Statistic.INCREASE_PER_S})
SUMS = frozenset({Statistic.SUM, Statistic.SUM_PER_S})
RATES = frozenset({Statistic.SUM_PER_S, Statistic.INCREASE_PER_S})
# Of these kinds everything is a gauge or a running total, so a sum over ticks means nothing.
_NOT_COUNTED = frozenset({"process", "container", "runtime", "witness", "log", "disk", "machine"})
# Of these everything starts anew with each tick, so nothing in it has an increase.
_COUNTED = frozenset({"load"})
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-*?")


class When(StrEnum):
    """Which part of a run.

    `CALM` is outside warm-up, faults and their aftermath, `WARM` all from the end
    of warm-up to that of the load, `FAULTED` while something was broken, and
    `HEALED` after the first heal, while nothing was.
    """

    CALM = "calm"
    ALL = "all"
    WARM = "warm"
    FAULTED = "faulted"
    HEALED = "healed"


# How messages say in which part of the run something was.
WHERE: Mapping[When, str] = {
    When.CALM: "outside faults and recovery",
    When.ALL: "in the whole run",
    When.WARM: "after warm-up",
    When.FAULTED: "during faults",
    When.HEALED: "after a heal",
}


class Unit(NamedTuple):
    """How the values of a figure are read and written; `parse` raises ValueError whose text is the rule."""

    parse: Callable[[str | float], float]
    format: Callable[[float], str]


class Range(NamedTuple):
    """From `minimum` to `maximum`, both included; where one is None there is no such end."""

    minimum: float | None
    maximum: float | None

    def holds(self, value: float) -> bool:
        """Return whether a value lies within."""
        return (self.minimum is None or value >= self.minimum) and (self.maximum is None or value <= self.maximum)

    def told(self, say: Callable[[float], str]) -> str:
        """Return it in words, each end as `say` writes it."""
        ends = {"at most": self.maximum, "at least": self.minimum}
        return " and ".join(f"{word} {say(value)}" for word, value in ends.items() if value is not None)


@dataclass(frozen=True, slots=True)
class Bound:
    """What a statistic must not exceed or fall below: of the whole run, or in all but `bad_windows` of its windows."""

    maximum: float | None
    minimum: float | None
    statistic: Statistic
    window_s: float | None
    bad_windows: int


@dataclass(frozen=True, slots=True)
class Growth:
    """What a gauge may grow by for each hour or request; `wander` is as `harness.stats.leak.decide_leak` takes it."""

    per: str
    allowed: float
    wander: float


@dataclass(frozen=True, slots=True)
class SeriesLimit:
    """What is asked of every series that `series` names, but of none that one of `excepted` names too.

    In names, `*` and `?` stand for anything between two dots.
    """

    series: str
    excepted: tuple[str, ...]
    when: When
    bound: Bound | None
    growth: tuple[Growth, ...]

    def names(self, name: str) -> bool:
        """Return whether this limit is on the series `name`."""
        return names_series(self.series, self.excepted, name)

    def without_hours(self) -> SeriesLimit:
        """Return the limit without what it allows for each hour."""
        return dataclasses.replace(self, growth=tuple(each for each in self.growth if each.per != "h"))


def names_series(pattern: str, excepted: Iterable[str], name: str) -> bool:
    """Return whether `pattern` names the series `name`, and none of `excepted` does."""
    return _fits(pattern, name) and not any(_fits(each, name) for each in excepted)


def _fits(pattern: str, name: str) -> bool:
    parts, named = pattern.split("."), name.split(".")
    return len(parts) == len(named) and all(map(fnmatchcase, named, parts))


def is_series_name(value: object) -> bool:
    """Return whether it can name a series: KIND.FIGURE or KIND.SUBJECT.FIGURE, with wildcards or without."""
    if not isinstance(value, str):
        return False
    parts = value.split(".")
    return 2 <= len(parts) <= 3 and all(part and set(part) <= _NAME for part in parts)


def misfit(series: str, statistic: Statistic | None) -> str:
    """Return why a statistic says nothing of such a series; empty where it does."""
    kind = series.partition(".")[0]
    if statistic in SUMS and kind in _NOT_COUNTED:
        return f"is for what is counted tick by tick, not for {kind}: of a running total take increase"
    if statistic in INCREASES and kind in _COUNTED:
        return f"is for a running total, and {kind} is counted tick by tick: take sum"
    return ""


def amount(series: str, statistic: Statistic, value: float) -> str:
    """Return what a statistic of a series came to, in its unit."""
    return unit_of(series, statistic).format(value) + ("/s" if statistic in RATES else "")


def unit_of(series: str, statistic: Statistic = Statistic.EVERY) -> Unit:
    """Return the unit of a series, told by the words of its figure: `..._bytes`, `..._s...`, else a plain number.

    Seconds for each second are a plain number, and so is anything per second.
    """
    words = series.rpartition(".")[2].split("_")
    if words[-1] == "bytes":
        return Unit(parse_size_bytes, format_bytes)
    rate = statistic in RATES or "per" in words
    if "s" in words and not rate:
        return Unit(parse_duration_s, format_s)
    return Unit(_parse_number, "{:.6g}".format)


def wander_of(series: str) -> float | None:
    """Return what a healthy gauge of this name grows by within a run, None where nothing is known of it."""
    if kind := kind_of(series):
        return kind.wander
    unit = unit_of(series)
    if unit.parse is parse_size_bytes:
        return _WANDER_BYTES
    return None if unit.parse is parse_duration_s else _WANDER_COUNT


def _parse_number(value: str | float) -> float:
    if isinstance(value, str) or not math.isfinite(value):
        raise ValueError("must be a number")
    return float(value)
