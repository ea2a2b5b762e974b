"""Compares a run with earlier ones: figures, baselines and the trend."""

from harness.comparison.earlier_runs import FIGURES_NAME, EarlierRuns, Figures, Key, host_class, read_earlier_runs
from harness.comparison.figures import calm_windows, measure, read_latency
from harness.comparison.trend import check_trend

__all__ = [
    "FIGURES_NAME",
    "EarlierRuns",
    "Figures",
    "Key",
    "calm_windows",
    "check_trend",
    "host_class",
    "measure",
    "read_earlier_runs",
    "read_latency",
]
