"""The table of a user's limits on series, parsed whole: every broken rule is told at once.

A limit that nothing is judged by would pass silently, so all is refused here
that could never be broken or kept: an unknown key, a bound that contradicts
another, a sum of what is no count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import partial
from typing import Any

from harness.errors import InputError
from harness.limits import INCREASES, Bound, Growth, SeriesLimit, Statistic, When, unit_of, wander_of
from harness.overrides import Parser, above_zero, parse_lasting_s

SECTION = "budget.series"
_FIGURES = ("max", "min", "statistic", "window_s", "bad_windows", "growth_per_h", "growth_per_request", "wander")
KEYS = (*_FIGURES, "when", "except")
# Of these kinds everything is a gauge or a running total, so a sum over ticks means nothing.
_NOT_COUNTED = frozenset({"process", "container", "runtime", "witness", "log", "disk"})
# Of these everything starts anew with each tick, so nothing in it has an increase.
_COUNTED = frozenset({"load"})
_WINDOWS_MAX = 10**6
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-*?")


def override_limits(
    limits: tuple[SeriesLimit, ...], source: str, table: object
) -> tuple[tuple[SeriesLimit, ...], list[InputError]]:
    """Return `limits` with those of a table's series replaced, and what is wrong with the table.

    The table has for each name of a series a table, or a list of them, or
    `false` for no limit any more; `source` names the file in errors.
    """
    if not isinstance(table, Mapping):
        rule = f"must hold a table for each series: [{SECTION}.'process.api.fds']"
        return limits, [InputError(source, SECTION, table, rule)]
    errors: list[InputError] = []
    kept: dict[str, list[SeriesLimit]] = {}
    for limit in limits:
        kept.setdefault(limit.series, []).append(limit)
    for series, entry in table.items():
        where = f'{SECTION}."{series}"'
        if not _is_name(series):
            rule = 'must be the name of a series, in quotes: "process.api.fds", "process.*.fds"'
            errors.append(InputError(source, where, series, rule))
        elif entry is False:
            kept.pop(series, None)
        else:
            kept[series] = []
            for place, fields in _entries(where, entry):
                reading = _Reading(source, place, str(series), errors)
                kept[series] += reading.limit(fields)
    return tuple(limit for some in kept.values() for limit in some), errors


def _entries(where: str, entry: object) -> Iterator[tuple[str, object]]:
    if isinstance(entry, list) and entry:
        yield from ((f"{where}[{n}]", fields) for n, fields in enumerate(entry))
    else:
        yield where, entry


def _is_name(value: object) -> bool:
    """Return whether it can name a series: KIND.FIGURE or KIND.SUBJECT.FIGURE, with wildcards or without."""
    if not isinstance(value, str):
        return False
    parts = value.split(".")
    return 2 <= len(parts) <= 3 and all(part and set(part) <= _NAME for part in parts)


class _Reading:
    """One limit's table, read key by key; what is wrong with it is noted in `errors`."""

    def __init__(self, source: str, where: str, series: str, errors: list[InputError]) -> None:
        self._source = source
        self._where = where
        self._series = series
        self._errors = errors

    def limit(self, fields: object) -> list[SeriesLimit]:
        """Return the limit that the table describes; none when it breaks a rule."""
        before = len(self._errors)
        if not isinstance(fields, Mapping):
            self._refuse("", fields, "must be a table such as { max = 200 }, a list of them, or false for no limit")
            return []
        for key in (key for key in fields if key not in KEYS):
            self._refuse(key, fields[key], f"no such key; one of {', '.join(KEYS)}")
        parsers = _parsers(self._series, fields.get("statistic"))
        values = {key: self._value(key, fields[key], parsers[key]) for key in KEYS if key in fields}
        if len(self._errors) == before:
            self._check(values)
        return [_limit(self._series, values)] if len(self._errors) == before else []

    def _value(self, key: str, value: object, parse: Callable[[object], object]) -> Any:
        try:
            return parse(value)
        except (ValueError, OverflowError) as error:
            self._refuse(key, value, str(error))
            return None

    def _check(self, values: Mapping[str, Any]) -> None:
        """Refuse what contradicts itself, or could never be decided."""
        maximum, minimum = values.get("max"), values.get("min")
        grows = "growth_per_h" in values or "growth_per_request" in values
        if maximum is None and minimum is None:
            if not grows:
                self._refuse("", sorted(values), "must have max, min, growth_per_h or growth_per_request")
            for key in (key for key in ("statistic", "window_s", "bad_windows") if key in values):
                self._refuse(key, values[key], "says nothing without max or min beside it")
        elif maximum is not None and minimum is not None and minimum > maximum:
            self._refuse("min", minimum, f"must not be more than max, {maximum:g}")
        if "bad_windows" in values and "window_s" not in values:
            self._refuse("bad_windows", values["bad_windows"], "says nothing without window_s beside it")
        if "wander" in values and not grows:
            self._refuse("wander", values["wander"], "says nothing without growth_per_h or growth_per_request")
        if grows and "wander" not in values and wander_of(self._series) is None:
            rule = "must be given where a duration is limited in growth: what a healthy one grows by within a run"
            self._refuse("wander", None, rule)
        self._check_counted(values.get("statistic"))

    def _check_counted(self, statistic: Statistic | None) -> None:
        kind = self._series.partition(".")[0]
        if statistic in {Statistic.SUM, Statistic.SUM_PER_S} and kind in _NOT_COUNTED:
            rule = f"is for what is counted tick by tick, not for {kind}: of a running total take increase"
            self._refuse("statistic", str(statistic), rule)
        if statistic in INCREASES and kind in _COUNTED:
            rule = f"is for a running total, and {kind} is counted tick by tick: take sum"
            self._refuse("statistic", str(statistic), rule)

    def _refuse(self, key: object, value: object, rule: str) -> None:
        where = f"{self._where}.{key}" if key else self._where
        self._errors.append(InputError(self._source, where, value, rule))


def _limit(series: str, values: Mapping[str, Any]) -> SeriesLimit:
    bound = None
    if "max" in values or "min" in values:
        statistic = values.get("statistic", Statistic.EVERY)
        window_s, bad_windows = values.get("window_s"), values.get("bad_windows", 0)
        bound = Bound(values.get("max"), values.get("min"), statistic, window_s, bad_windows)
    wander = values.get("wander", wander_of(series))
    growth = [
        Growth(per, values[f"growth_per_{per}"], wander) for per in ("h", "request") if f"growth_per_{per}" in values
    ]
    return SeriesLimit(series, values.get("except", ()), values.get("when", When.CALM), bound, tuple(growth))


def _parsers(series: str, statistic: object) -> Mapping[str, Callable[[object], object]]:
    """Return what reads each of KEYS; they raise ValueError whose text is the rule."""
    chosen = next((each for each in Statistic if each == statistic), Statistic.EVERY)
    gauge, level = unit_of(series).parse, unit_of(series, chosen).parse
    return {
        "max": partial(_parse_scalar, level),
        "min": partial(_parse_scalar, level),
        "statistic": partial(_parse_choice, Statistic),
        "window_s": partial(_parse_scalar, parse_lasting_s),
        "bad_windows": _parse_count,
        "growth_per_h": partial(_parse_scalar, above_zero(gauge)),
        "growth_per_request": partial(_parse_scalar, above_zero(gauge)),
        "wander": partial(_parse_scalar, gauge),
        "when": partial(_parse_choice, When),
        "except": _parse_names,
    }


def _parse_scalar(parse: Parser, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("must be a number or text")  # noqa: TRY004 - of a user's text, every broken rule is told alike
    return parse(value)


def _parse_count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _WINDOWS_MAX:
        raise ValueError(f"must be a whole number from 0 to {_WINDOWS_MAX}")
    return value


def _parse_choice(choices: type[StrEnum], value: object) -> StrEnum:
    for choice in choices:
        if choice == value:
            return choice
    raise ValueError(f"must be one of {', '.join(choices)}")


def _parse_names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(_is_name(name) for name in value):
        raise ValueError("must be a list of names of series, such as ['process.toxiproxy.fds']")
    return tuple(value)
