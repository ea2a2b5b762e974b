"""The table of a user's limits on series, parsed whole: every broken rule is told at once.

A limit that nothing is judged by would pass silently, so all is refused here
that could never be broken or kept: an unknown key, a bound that contradicts
another, a sum of what is no count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.criteria.entries import Entry, Read, read_choice, read_count, read_scalar, read_series_list
from harness.criteria.limits import (
    Bound,
    Growth,
    SeriesLimit,
    Statistic,
    When,
    is_series_name,
    misfit,
    unit_of,
    wander_of,
)
from harness.criteria.overrides import above_zero, parse_lasting_s
from harness.errors import InputError

SECTION = "budget.series"
_FIGURES = ("max", "min", "statistic", "window_s", "bad_windows", "growth_per_h", "growth_per_request", "wander")
LIMIT_KEYS = (*_FIGURES, "when", "except")


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
        if not is_series_name(series):
            rule = 'must be the name of a series, in quotes: "process.api.fds", "process.*.fds"'
            errors.append(InputError(source, where, series, rule))
        elif entry is False:
            kept.pop(series, None)
        else:
            kept[series] = []
            for place, fields in _entries(where, entry):
                kept[series] += _read(Entry(source, place, errors), series, fields)
    return tuple(limit for some in kept.values() for limit in some), errors


def _entries(where: str, entry: object) -> Iterator[tuple[str, object]]:
    if isinstance(entry, list) and entry:
        yield from ((f"{where}[{n}]", fields) for n, fields in enumerate(entry))
    else:
        yield where, entry


def _read(entry: Entry, series: str, fields: object) -> list[SeriesLimit]:
    """Return the limit that a table describes; none when it breaks a rule."""
    if not isinstance(fields, Mapping):
        entry.refuse("", fields, "must be a table such as { max = 200 }, a list of them, or false for no limit")
        return []
    values = entry.read(fields, _parsers(series, fields.get("statistic")))
    if entry.sound:
        _check(entry, series, values)
    return [_limit(series, values)] if entry.sound else []


def _check(entry: Entry, series: str, values: Mapping[str, Any]) -> None:
    """Refuse what contradicts itself, or could never be decided."""
    bounded, grows = not values.keys().isdisjoint({"max", "min"}), any(key.startswith("growth_") for key in values)
    if not bounded:
        if not grows:
            entry.refuse("", sorted(values), "must have max, min, growth_per_h or growth_per_request")
        for key in (key for key in ("statistic", "window_s", "bad_windows") if key in values):
            entry.refuse(key, values[key], "says nothing without max or min beside it")
    entry.check_order(values)
    if "bad_windows" in values and "window_s" not in values:
        entry.refuse("bad_windows", values["bad_windows"], "says nothing without window_s beside it")
    if "wander" in values and not grows:
        entry.refuse("wander", values["wander"], "says nothing without growth_per_h or growth_per_request")
    if grows and "wander" not in values and wander_of(series) is None:
        rule = "must be given where a duration is limited in growth: what a healthy one grows by within a run"
        entry.refuse("wander", None, rule)
    if rule := misfit(series, values.get("statistic")):
        entry.refuse("statistic", str(values["statistic"]), rule)


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


def _parsers(series: str, statistic: object) -> Mapping[str, Read]:
    """Return what reads each of LIMIT_KEYS; they raise ValueError whose text is the rule."""
    chosen = next((each for each in Statistic if each == statistic), Statistic.EVERY)
    gauge, level = unit_of(series).parse, unit_of(series, chosen).parse
    return {
        "max": read_scalar(level),
        "min": read_scalar(level),
        "statistic": read_choice(tuple(Statistic)),
        "window_s": read_scalar(parse_lasting_s),
        "bad_windows": read_count(0),
        "growth_per_h": read_scalar(above_zero(gauge)),
        "growth_per_request": read_scalar(above_zero(gauge)),
        "wander": read_scalar(gauge),
        "when": read_choice(tuple(When)),
        "except": read_series_list,
    }
