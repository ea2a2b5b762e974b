"""Compares a run with earlier ones: figures, baselines and the trend."""

from harness.comparison.figures import calm_windows, measure, read_latency
from harness.comparison.past import FIGURES_NAME, Figures, Key, Past, host_class, read_past
from harness.comparison.trend import check_trend

__all__ = [
    "FIGURES_NAME",
    "Figures",
    "Key",
    "Past",
    "calm_windows",
    "check_trend",
    "host_class",
    "measure",
    "read_latency",
    "read_past",
]
