"""What must have been seen for a pass to mean anything, as a profile asks for it: `[[must_observe]]`.

An incident that did not come about proves nothing of the system that lived
through it: a breaker that never opened, calls that nobody gave up. So all is
refused here that any run would show, or that none could.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import AfterValidator

from harness.criteria.limits import INCREASES, SUMS, Range, Statistic, When, disorder
from harness.criteria.series_range import STATISTICS, SeriesRange
from harness.records import Event, Outcome
from harness.tables import Among, Broken, ByHand, Count, Table, marked_schema, rule, validate


def _check_operation(value: str) -> str:
    if not value.replace("*", "_").isidentifier():
        raise rule('must be the name of an operation, such as "cache_get" or "cache_*"')
    return value


def _check_event(value: str) -> str:
    if not value.isidentifier():
        raise rule('must be a kind of event, such as "service_restarted"')
    return value


def _read_details(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not value:
        raise rule('must be a table of details, such as { service = "api" }', hidden=not isinstance(value, Mapping))
    if not all(isinstance(each, str | int | float) for each in value.values()):
        raise rule("must give each detail a text or a number")
    return {str(key): str(each) for key, each in value.items()}


def _details_schema() -> dict[str, Any]:
    return {"type": "object", "minProperties": 1, "additionalProperties": {"type": ["string", "number", "boolean"]}}


def _in_every_run(low: float | None, high: float | None) -> Iterator[Broken]:
    if high is None and low is not None and low <= 0:
        yield "min", "must be above 0: so much of it there is in every run"


class SeriesSeen(SeriesRange):
    """That a statistic of the series which `series` names lies in a range.

    Sums are of all that are named together; of anything else it is enough if one of them was there.
    """

    statistic: Annotated[Statistic, Among(*STATISTICS)]
    """What of them: sums of all that are named together, of the others one is enough."""

    def check(self) -> Iterator[Broken]:
        """Yield what contradicts itself, what every run shows, and what none can."""
        yield from super().check()
        if self.statistic in SUMS | INCREASES:
            yield from _in_every_run(self.min, self.max)


class _Counted(Table):
    """What is counted: one is enough where nothing is said."""

    when: Annotated[When, Among(*When)] = When.WARM
    """In which part of the run."""
    min: Count | None = None
    """At least so many; 1 where there is no `max`."""
    max: Count | None = None
    """At most so many."""

    @property
    def wanted(self) -> Range:
        """Within what the count must lie."""
        return Range(1 if self.min is None and self.max is None else self.min, self.max)

    def check(self) -> Iterator[Broken]:
        """Yield what contradicts itself, and what every run shows."""
        yield from disorder(self.min, self.max)
        yield from _in_every_run(self.min, self.max)


class OutcomesSeen(_Counted):
    """That so many requests ended in one way; a table's form of a sum of series."""

    outcome: Annotated[Outcome, Among(*Outcome)]
    """Requests that ended so are counted."""
    operation: Annotated[str, AfterValidator(_check_operation)] = "*"
    """Only those of this operation, `*` for anything."""

    def as_series(self) -> SeriesSeen:
        """Return the same of the series in which the journal counts them."""
        series, (low, high) = f"load.{self.operation}.{self.outcome}", self.wanted
        return SeriesSeen(series=series, statistic=Statistic.SUM, min=low, max=high, when=self.when)


class EventSeen(_Counted):
    """That so many events of a kind happened; `where` has patterns that their details must fit."""

    event: Annotated[str, AfterValidator(_check_event)]
    """Events of this kind are counted."""
    where: Annotated[Mapping[str, str], ByHand(_read_details, _details_schema)] = {}
    """Only those whose details are so, `*` for anything."""

    def fits(self, event: Event) -> bool:
        """Return whether it is one of those that are counted."""
        return event.kind == self.event and all(
            key in event.detail and fnmatchcase(str(event.detail[key]), pattern) for key, pattern in self.where.items()
        )

    def __str__(self) -> str:
        details = [f"{key} {pattern}" for key, pattern in self.where.items()]
        return f"{self.event} ({', '.join(details)})" if details else self.event


_FORMS: Mapping[str, type[SeriesSeen | OutcomesSeen | EventSeen]] = {
    "series": SeriesSeen,
    "outcome": OutcomesSeen,
    "event": EventSeen,
}


def _read(value: Any) -> SeriesSeen | EventSeen:
    """Return what a table asks for, in the form that its keys tell."""
    if isinstance(value, SeriesSeen | EventSeen):
        return value
    if not isinstance(value, Mapping):
        raise rule("must be a table", hidden=not isinstance(value, int | float))
    subjects = [key for key in _FORMS if key in value]
    if len(subjects) != 1:
        raise rule(f"must have one of {', '.join(_FORMS)}", absent=True)
    read = validate(_FORMS[subjects[0]], value)
    return read.as_series() if isinstance(read, OutcomesSeen) else read


def _schema() -> dict[str, Any]:
    return {"oneOf": [marked_schema(form) for form in _FORMS.values()]}


# One entry of `[[must_observe]]`; as a field, `Listed[Observation]`.
Observation = Annotated[SeriesSeen | EventSeen, ByHand(_read, _schema)]
