"""Decides from numbers: pure functions that know no clock, socket or log."""

from harness.stats.recovery import GOOD_OF, answers_text
from harness.stats.trend import RUNS_MIN

__all__ = ["GOOD_OF", "RUNS_MIN", "answers_text"]
