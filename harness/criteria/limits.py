"""Limits on series of the journal: what may be asked of which series, and in which unit.

A named threshold of the budget is about one thing the suite knows; a limit is
about anything that a run records, by the name it is recorded under. A limit
that nothing is judged by would pass silently, so all is refused here that could
never be broken or kept: a bound that contradicts another, a sum of what is no
count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Any, NamedTuple

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import CoreSchema, core_schema

from harness.stats.gauges import kind_of
from harness.tables import (
    Among,
    Broken,
    Count,
    Gathered,
    PositiveDuration,
    Quantity,
    SeriesName,
    Some,
    Table,
    is_series_name,
    keys_of,
    marked_schema,
    quantity,
    rule,
    unknown_key,
    validate,
)
from harness.units import format_bytes, format_s

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
    """How the values of a figure are read and written."""

    quantity: Quantity
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
class GrowthLimit:
    """What a gauge may grow by for each hour or request; `wander` is as `harness.stats.leak.decide_leak` takes it."""

    per: str
    allowed: float
    wander: float


@dataclass(frozen=True)
class Level:
    """A value of the series beside it, in the unit of that, and of the statistic beside it where it is of one."""

    of_statistic: bool = True
    above_zero: bool = False

    def read(self, value: object, info: ValidationInfo) -> float | None:
        """Return the value, None where there is none. Raises ValueError whose text is the rule."""
        if value is None:
            return None
        statistic = info.data.get("statistic", Statistic.EVERY) if self.of_statistic else Statistic.EVERY
        read = unit_of(info.data.get("series", ""), statistic).quantity.read(value)
        if self.above_zero and not read > 0:
            raise rule("must be above 0")
        return read

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read by `read`, which sees the fields before it."""
        del source, handler
        return core_schema.with_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return what it may be in any unit."""
        del schema, handler
        return {"type": ["number", "string"]}


Amount = Annotated[float | None, Level()]
Excepted = Annotated[Some[SeriesName], Field(validation_alias="except", serialization_alias="except")]


class SeriesLimit(Table):
    """What is asked of every series that `series` names, but of none that one of `excepted` names too."""

    # The key of the table, not in it.
    series: SkipJsonSchema[SeriesName] = Field(exclude=True)
    statistic: Annotated[Statistic, Among(*Statistic)] = Statistic.EVERY
    """What is held against `max` and `min`, see below."""
    max: Amount = None
    """What the statistic must not exceed: a size where the figure ends in `bytes`, a duration where one of its words is
    `s`, else a number."""
    min: Amount = None
    """What the statistic must not fall below."""
    window_s: PositiveDuration | None = None
    """Hold it of each window of this length, not of the whole; time that does not count is cut out before."""
    bad_windows: Count = 0
    """How many windows may break it."""
    growth_per_h: Annotated[float | None, Level(of_statistic=False, above_zero=True)] = None
    """What the leak procedure may find it to grow by in an hour; judged in runs of `growth_decides_after_s` alone."""
    growth_per_request: Annotated[float | None, Level(of_statistic=False, above_zero=True)] = None
    """What the leak procedure may find it to grow by with each request."""
    wander: Annotated[float | None, Level(of_statistic=False)] = None
    """What a healthy one grows by within a run for reasons that it does not show: 4 MB of memory, 1 MB of a heap or a
    log, 4 of what is counted, 200 keys. For what a pool holds, give the largest size of the pool; for a duration it
    must be given."""
    when: Annotated[When, Among(*When)] = When.CALM
    """In which part of the run. `calm`: outside warm-up, faults and their aftermath; `warm`: from the end of warm-up to
    that of the load; `faulted`: while something was broken; `healed`: after the first heal, while nothing was."""
    excepted: Excepted = ()
    """Names, with wildcards or without, that are not judged."""

    @property
    def bound(self) -> Bound | None:
        """What its statistic must keep, None where nothing is asked of it."""
        if self.max is None and self.min is None:
            return None
        return Bound(self.max, self.min, self.statistic, self.window_s, self.bad_windows)

    @property
    def growth(self) -> tuple[GrowthLimit, ...]:
        """What it may grow by, for each hour and for each request."""
        wander = wander_of(self.series) if self.wander is None else self.wander
        allowed = {"h": self.growth_per_h, "request": self.growth_per_request}
        return tuple(GrowthLimit(per, most, wander or 0.0) for per, most in allowed.items() if most is not None)

    def names(self, name: str) -> bool:
        """Return whether this limit is on the series `name`."""
        return names_series(self.series, self.excepted, name)

    def without_hours(self) -> SeriesLimit:
        """Return the limit without what it allows for each hour."""
        return self.model_copy(update={"growth_per_h": None})

    def check(self) -> Iterator[Broken]:
        """Yield what contradicts itself, or could never be decided."""
        given = self.model_fields_set
        if self.bound is None:
            if not self.growth:
                yield "", "must have max, min, growth_per_h or growth_per_request"
            for key in ("statistic", "window_s", "bad_windows"):
                if key in given:
                    yield key, "says nothing without max or min beside it"
        elif "bad_windows" in given and self.window_s is None:
            yield "bad_windows", "says nothing without window_s beside it"
        yield from disorder(self.min, self.max)
        if "wander" in given and not self.growth:
            yield "wander", "says nothing without growth_per_h or growth_per_request"
        if self.growth and self.wander is None and wander_of(self.series) is None:
            yield "wander", "must be given where a duration is limited in growth: what a healthy one grows by in a run"
        if why := misfit(self.series, self.statistic):
            yield "statistic", why


def read_limits(table: Any) -> dict[str, tuple[SeriesLimit, ...]]:
    """Return the limits on each series that a table names: one, a list of them, or `false` for none any more."""
    if not isinstance(table, Mapping):
        raise rule("must hold a table for each series: 'process.api.fds' = { max = 200 }", hidden=True)
    found = Gathered()
    limits: dict[str, tuple[SeriesLimit, ...]] = {}
    for series, entry in table.items():
        if not is_series_name(series):
            found.refuse(rule('must be the name of a series, such as "process.api.fds"'), series, str(series))
        elif entry is False:
            limits[series] = ()
        elif isinstance(entry, list | tuple) and entry:
            read = [_limit(found, series, fields, n) for n, fields in enumerate(entry)]
            limits[series] = tuple(limit for limit in read if limit)
        else:
            one = _limit(found, series, entry)
            limits[series] = (one,) if one else ()
    found.finish()
    return limits


def _limit(found: Gathered, series: str, fields: object, *place: int) -> SeriesLimit | None:
    if isinstance(fields, SeriesLimit):
        return fields
    if not isinstance(fields, Mapping):
        why = "must be a table such as { max = 200 }, a list of them, or false for no limit"
        found.refuse(rule(why, hidden=not isinstance(fields, int | float)), fields, series, *place)
        return None
    if "series" in fields:
        found.refuse(unknown_key("series", keys_of(SeriesLimit)[1:]), None, series, *place, "series")
    with found.at(fields, series, *place):
        return validate(SeriesLimit, {**fields, "series": series})
    return None


def limits_schema() -> dict[str, Any]:
    """Return the JSON Schema of what `read_limits` reads."""
    limit = marked_schema(SeriesLimit)
    limit["required"] = [key for key in limit.get("required", ()) if key != "series"]
    several = {"type": "array", "items": limit, "minItems": 1}
    return {"type": "object", "additionalProperties": {"oneOf": [limit, several, {"const": False}]}}


def disorder(minimum: float | None, maximum: float | None) -> Iterator[Broken]:
    """Yield that a minimum is above its maximum, if it is."""
    if minimum is not None and maximum is not None and minimum > maximum:
        yield "min", "must not be more than max"


def names_series(pattern: str, excepted: Iterable[str], name: str) -> bool:
    """Return whether `pattern` names the series `name`, and none of `excepted` does."""
    return _fits(pattern, name) and not any(_fits(each, name) for each in excepted)


def _fits(pattern: str, name: str) -> bool:
    parts, named = pattern.split("."), name.split(".")
    return len(parts) == len(named) and all(map(fnmatchcase, named, parts))


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
        return Unit(quantity("size"), format_bytes)
    rate = statistic in RATES or "per" in words
    if "s" in words and not rate:
        return Unit(quantity("duration"), format_s)
    return Unit(quantity("number"), "{:.6g}".format)


def wander_of(series: str) -> float | None:
    """Return what a healthy gauge of this name grows by within a run, None where nothing is known of it."""
    if kind := kind_of(series):
        return kind.wander
    wanders = {"size": _WANDER_BYTES, "duration": None}
    return wanders.get(unit_of(series).quantity.name, _WANDER_COUNT)
