"""What a run must keep: its budget, limits on series, aborts and observations."""

from harness.criteria.aborts import Abort
from harness.criteria.budget import Budget
from harness.criteria.environment import read_budget
from harness.criteria.limits import Range, SeriesLimit, Statistic, When
from harness.criteria.observations import EventSeen, Observation, SeriesSeen

__all__ = [
    "Abort",
    "Budget",
    "EventSeen",
    "Observation",
    "Range",
    "SeriesLimit",
    "SeriesSeen",
    "Statistic",
    "When",
    "read_budget",
]
