"""What a run must keep: its budget, limits on series, aborts and observations."""

from harness.criteria.aborts import ABORT_KEYS, Abort, parse_aborts
from harness.criteria.budget import BUDGET_KEYS, Budget
from harness.criteria.environment import override_by_environment
from harness.criteria.limit_table import LIMIT_KEYS
from harness.criteria.limits import Range, SeriesLimit
from harness.criteria.observations import OBSERVATION_KEYS, Observation, SeriesSeen, parse_observations
from harness.criteria.overrides import parse_fraction, parse_lasting_s

__all__ = [
    "ABORT_KEYS",
    "BUDGET_KEYS",
    "LIMIT_KEYS",
    "OBSERVATION_KEYS",
    "Abort",
    "Budget",
    "Observation",
    "Range",
    "SeriesLimit",
    "SeriesSeen",
    "override_by_environment",
    "parse_aborts",
    "parse_fraction",
    "parse_lasting_s",
    "parse_observations",
]
