"""A range for a statistic of series: what aborts and observations of series ask alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator

from harness.criteria.limits import SUMS, Amount, Excepted, Range, Statistic, When, disorder, misfit, names_series
from harness.records import Outcome
from harness.tables import Among, Broken, SeriesName, Table, rule

# What a window, or a part of a run, can be held to; each value for itself is nothing that was seen once.
STATISTICS = tuple(each for each in Statistic if each is not Statistic.EVERY)


def _check_by_operation(value: str) -> str:
    kind, _, rest = value.partition(".")
    if kind == "load" and rest.partition(".")[0] == "all" and rest.rpartition(".")[2] in set(Outcome):
        raise rule("is by operation: take load.*, whose sum is that of all, or load.all.good_fraction")
    return value


class SeriesRange(Table):
    """That a statistic of the series which `series` names lies in a range."""

    series: Annotated[SeriesName, AfterValidator(_check_by_operation)]
    """Name of series, `*` for anything between two dots."""
    statistic: Annotated[Statistic, Among(*STATISTICS)]
    """What of them: sums of all that are named together, else of each by itself."""
    max: Amount = None
    """At most so much."""
    min: Amount = None
    """At least so much."""
    when: Annotated[When, Among(*When)] = When.WARM
    """In which part of the run."""
    excepted: Excepted = ()
    """Series that are not meant."""

    @property
    def wanted(self) -> Range:
        """Within what the statistic must lie."""
        return Range(self.min, self.max)

    @property
    def adds_up(self) -> bool:
        """Whether the statistic is of all series together."""
        return self.statistic in SUMS

    def names(self, name: str) -> bool:
        """Return whether this is of the series `name`."""
        return names_series(self.series, self.excepted, name)

    def check(self) -> Iterator[Broken]:
        """Yield what asks for nothing, contradicts itself, or suits no such series."""
        if self.min is None and self.max is None:
            yield "", "must have min or max"
        yield from disorder(self.min, self.max)
        if why := misfit(self.series, self.statistic):
            yield "statistic", why
