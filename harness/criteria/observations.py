"""What must have been seen for a pass to mean anything, as a profile asks for it: `[[must_observe]]`, parsed whole.

An incident that did not come about proves nothing of the system that lived
through it: a breaker that never opened, calls that nobody gave up. So all is
refused here that any run would show, or that none could.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from harness.criteria.entries import (
    Entry,
    Read,
    read_choice,
    read_count,
    read_list,
    read_scalar,
    read_series,
    read_series_list,
)
from harness.criteria.limits import INCREASES, SUMS, Range, Statistic, When, misfit, names_series, unit_of
from harness.records import Event, Outcome

SECTION = "must_observe"
# Each value for itself is nothing that was seen once.
STATISTICS = tuple(each for each in Statistic if each is not Statistic.EVERY)
_LEVEL = {"type": ["number", "string"]}
# What may stand in a table: the JSON Schema of each key.
OBSERVATION_KEYS: Mapping[str, Mapping[str, object]] = {
    "series": {"type": "string", "description": "name of series, * for anything between two dots"},
    "statistic": {
        "enum": [*STATISTICS],
        "description": "what of them: sums of all that are named together, of the others one is enough",
    },
    "except": {"type": "array", "items": {"type": "string"}, "description": "series that are not meant"},
    "outcome": {"enum": [*Outcome], "description": "requests that ended so are counted"},
    "operation": {"type": "string", "description": "only those of this operation, * for anything"},
    "event": {"type": "string", "description": "events of this kind are counted"},
    "where": {"type": "object", "description": "only those whose details are so, * for anything"},
    "min": {**_LEVEL, "description": "at least so much or so many; 1 of outcomes and events if nothing is said"},
    "max": {**_LEVEL, "description": "at most so much or so many"},
    "when": {"enum": [*When], "description": "in which part of the run; warm if nothing is said"},
}
_SUBJECTS = ("series", "outcome", "event")
_BESIDE = {"statistic": "series", "except": "series", "operation": "outcome", "where": "event"}


@dataclass(frozen=True, slots=True)
class SeriesSeen:
    """That a statistic of the series which `series` names lies in `wanted`.

    Sums are of all that are named together; of anything else it is enough if one of them was there.
    """

    series: str
    statistic: Statistic
    wanted: Range
    when: When
    excepted: tuple[str, ...] = ()

    @property
    def adds_up(self) -> bool:
        """Whether the statistic is of all series together."""
        return self.statistic in SUMS

    def names(self, name: str) -> bool:
        """Return whether this is of the series `name`."""
        return names_series(self.series, self.excepted, name)


@dataclass(frozen=True, slots=True)
class EventSeen:
    """That so many events of a kind happened as `wanted` says; `where` has patterns that their details must fit."""

    event: str
    where: tuple[tuple[str, str], ...]
    wanted: Range
    when: When

    def fits(self, event: Event) -> bool:
        """Return whether it is one of those that are counted."""
        return event.kind == self.event and all(
            key in event.detail and fnmatchcase(str(event.detail[key]), pattern) for key, pattern in self.where
        )

    def __str__(self) -> str:
        details = [f"{key} {pattern}" for key, pattern in self.where]
        return f"{self.event} ({', '.join(details)})" if details else self.event


Observation = SeriesSeen | EventSeen


def parse_observations(source: str, tables: object) -> tuple[Observation, ...]:
    """Return what a list of tables asks for; `source` names the file in errors.

    Raises an ExceptionGroup of an InputError for each rule broken.
    """
    entries, errors = read_list(source, SECTION, tables)
    found = [_observation(entry, fields) for entry, fields in entries]
    if errors:
        raise ExceptionGroup(f"{source}: [[{SECTION}]] breaks {len(errors)} rule(s)", errors)
    return tuple(one for one in found if one is not None)


def _observation(entry: Entry, fields: Mapping[str, object]) -> Observation | None:
    """Return what one table asks for; None when it breaks a rule."""
    values = entry.read(fields, _parsers(fields))
    subjects = [key for key in _SUBJECTS if key in fields]
    if len(subjects) != 1:
        entry.refuse("", sorted(map(str, fields)), f"must have one of {', '.join(_SUBJECTS)}")
    for key in (key for key, subject in _BESIDE.items() if key in fields and subject not in fields):
        entry.refuse(key, fields[key], f"says nothing without {_BESIDE[key]} beside it")
    if entry.sound:
        _check(entry, values)
    return _made(values) if entry.sound else None


def _check(entry: Entry, values: Mapping[str, Any]) -> None:
    """Refuse what contradicts itself, what every run shows, and what none can."""
    statistic = values.get("statistic")
    if "series" in values:
        if statistic is None:
            entry.refuse("statistic", None, f"must be given with series: one of {', '.join(STATISTICS)}")
        elif rule := misfit(values["series"], statistic):
            entry.refuse("statistic", str(statistic), rule)
        if "min" not in values and "max" not in values:
            entry.refuse("", sorted(values), "must have min or max")
    entry.check_order(values)
    counted = "series" not in values or statistic in SUMS | INCREASES
    if counted and "max" not in values and values.get("min", 1) <= 0:
        entry.refuse("min", values["min"], "must be above 0: so much of it there is in every run")


def _made(values: Mapping[str, Any]) -> Observation:
    when = values.get("when", When.WARM)
    if "series" in values:
        wanted = Range(values.get("min"), values.get("max"))
        return SeriesSeen(values["series"], values["statistic"], wanted, when, values.get("except", ()))
    wanted = Range(values.get("min", None if "max" in values else 1), values.get("max"))
    if "outcome" in values:
        series = f"load.{values.get('operation', '*')}.{values['outcome']}"
        return SeriesSeen(series, Statistic.SUM, wanted, when)
    return EventSeen(values["event"], values.get("where", ()), wanted, when)


def _parsers(fields: Mapping[str, object]) -> Mapping[str, Read]:
    """Return what reads each of OBSERVATION_KEYS; they raise ValueError whose text is the rule."""
    level: Read = read_count(0)
    if "series" in fields:
        statistic = next((each for each in STATISTICS if each == fields.get("statistic")), Statistic.EVERY)
        level = read_scalar(unit_of(str(fields["series"]), statistic).parse)
    return {
        "series": read_series,
        "statistic": read_choice(STATISTICS),
        "except": read_series_list,
        "outcome": read_choice(tuple(Outcome)),
        "operation": _operation,
        "event": _event,
        "where": _where,
        "min": level,
        "max": level,
        "when": read_choice(tuple(When)),
    }


def _operation(value: object) -> str:
    if not isinstance(value, str) or not value.replace("*", "_").isidentifier():
        raise ValueError('must be the name of an operation, such as "cache_get" or "cache_*"')
    return value


def _event(value: object) -> str:
    if not isinstance(value, str) or not value.isidentifier():
        raise ValueError('must be a kind of event, such as "service_restarted"')
    return value


def _where(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError('must be a table of details, such as { service = "api" }')
    if not all(isinstance(each, str | int | float) for each in value.values()):
        raise ValueError("must give each detail a text or a number")
    return tuple((str(key), str(each)) for key, each in value.items())
