"""Decides from numbers: pure functions that know no clock, socket or log."""

from harness.stats.recovery import GOOD_OF, tell_answers
from harness.stats.trend import RUNS_MIN

__all__ = ["GOOD_OF", "RUNS_MIN", "tell_answers"]
