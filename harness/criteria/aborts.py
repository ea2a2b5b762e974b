"""When to end a run early, as a profile asks for it: `[[abort_if]]`.

It saves the rest of a run that nothing can be learned from any more, or a
machine that somebody else needs as well. Whatever ended early is no pass, so
none may ask for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator

from harness.criteria.limits import SUMS, Amount, Excepted, Range, Statistic, When, disorder, misfit, names_series
from harness.records import Outcome
from harness.tables import Among, Broken, Duration, PositiveCount, PositiveDuration, SeriesName, Table, rule
from harness.verdict import Verdict

# What a window, or a part of a run, can be held to; each value for itself is nothing that was seen once.
STATISTICS = tuple(each for each in Statistic if each is not Statistic.EVERY)


def _check_by_operation(value: str) -> str:
    kind, _, rest = value.partition(".")
    if kind == "load" and rest.partition(".")[0] == "all" and rest.rpartition(".")[2] in set(Outcome):
        raise rule("is by operation: take load.*, whose sum is that of all, or load.all.good_fraction")
    return value


# A series of which a statistic is taken over time.
Subject = Annotated[SeriesName, AfterValidator(_check_by_operation)]


class Abort(Table):
    """End the run when a series that `series` names was out of bounds for some windows in a row.

    Each is watched by itself, but sums are of all that are named together. A window lasts until there is a sample in
    it.
    """

    series: Subject
    """Name of series, `*` for anything between two dots."""
    statistic: Annotated[Statistic, Among(*STATISTICS)]
    """What of a window: sums of all that are named together, else of each by itself."""
    max: Amount = None
    """A window with more than this is a bad one."""
    min: Amount = None
    """A window with less than this is a bad one."""
    # Shorter ones follow a shared machine's every hiccup; three in a row are no chance.
    window_s: PositiveDuration = 10.0
    """How long a window is."""
    windows_in_a_row: PositiveCount = 3
    """So many bad ones end the run."""
    when: Annotated[When, Among(*When)] = When.WARM
    """In which part of the run."""
    verdict: Annotated[Verdict, Among(Verdict.INCONCLUSIVE, Verdict.FAIL)] = Verdict.INCONCLUSIVE
    """What the run then comes to at the least."""
    excepted: Excepted = ()
    """Series that are not meant."""

    @property
    def allowed(self) -> Range:
        """Within what the statistic of a good window lies."""
        return Range(self.min, self.max)

    @property
    def adds_up(self) -> bool:
        """Whether the statistic is of all series together."""
        return self.statistic in SUMS

    def names(self, name: str) -> bool:
        """Return whether this is about the series `name`."""
        return names_series(self.series, self.excepted, name)

    def check(self) -> Iterator[Broken]:
        """Yield what could never end a run."""
        if self.min is None and self.max is None:
            yield "", "must have min or max"
        yield from disorder(self.min, self.max)
        if why := misfit(self.series, self.statistic):
            yield "statistic", why


class Ceiling(Abort):
    """An abort by single samples, which no file can ask for: every one of some in a row is out of bounds."""

    statistic: Annotated[Statistic, Among(*Statistic)] = Statistic.EVERY
    window_s: Duration = 0.0
