"""Decides the verdict: evidence in, findings out."""

from harness.judging.checks.growth import judge_gauges
from harness.judging.evidence import Evidence
from harness.judging.judge import judge
from harness.judging.series import RunSeries
from harness.judging.source import RunSource

__all__ = ["Evidence", "RunSeries", "RunSource", "judge", "judge_gauges"]
