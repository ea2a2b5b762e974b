"""What a run must keep: its budget, limits on series, aborts and observations."""

from harness.criteria.aborts import Abort
from harness.criteria.budget import Budget
from harness.criteria.environment import BUDGET_PREFIX, read_budget
from harness.criteria.limits import Range, SeriesLimit, Statistic, When
from harness.criteria.observations import EventSeen, Observation, SeriesSeen

__all__ = [
    "BUDGET_PREFIX",
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
