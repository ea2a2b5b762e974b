"""When to end a run early, as a profile asks for it: `[[abort_if]]`.

It saves the rest of a run that nothing can be learned from any more, or a
machine that somebody else needs as well. Whatever ended early is no pass, so
none may ask for that.
"""

from __future__ import annotations

from typing import Annotated

from harness.criteria.limits import Amount, Statistic
from harness.criteria.series_range import STATISTICS, SeriesRange
from harness.tables import Among, Duration, PositiveCount, PositiveDuration
from harness.verdict import Verdict


class Abort(SeriesRange):
    """End the run when a series that `series` names was out of bounds for some windows in a row.

    Each is watched by itself, but sums are of all that are named together. A window lasts until there is a sample in
    it.
    """

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
    verdict: Annotated[Verdict, Among(Verdict.INCONCLUSIVE, Verdict.FAIL)] = Verdict.INCONCLUSIVE
    """What the run then comes to at the least."""


class Ceiling(Abort):
    """An abort by single samples, which no file can ask for: every one of some in a row is out of bounds."""

    statistic: Annotated[Statistic, Among(*Statistic)] = Statistic.EVERY
    window_s: Duration = 0.0
