from pathlib import Path

import pytest

from harness.criteria.budget import Budget
from harness.judging.checks.control import check_control
from harness.records import Event
from harness.verdict import Finding, Measurement, Verdict
from tests.harness.runs import evidence, healthy

# Sixty seconds without load, then as long with it: by the hour that decides only about a lot.
PHASES = [Event(0.0, "phase", {"name": "control"}), Event(60.0, "phase", {"name": "steady_state"})]
BUDGET = Budget(memory_growth_bytes_per_h=2e9)


@pytest.mark.parametrize(
    ("idle", "loaded", "verdict"),
    [
        (0.0, 0.0, Verdict.PASS),
        (0.0, 2e6, Verdict.FAIL),
        # It grows whether anybody asks or not: no fault of the load's.
        (2e6, 2e6, Verdict.PASS),
    ],
)
def test_only_what_load_adds_is_judged(tmp_path: Path, idle: float, loaded: float, verdict: Verdict) -> None:
    def tick(n: int) -> dict[str, float]:
        grown = min(n, 60) * idle + max(n - 60, 0) * loaded
        return healthy(n) | {"process.api.rss_bytes": 8e7 + grown}

    run = evidence(tmp_path, tick, events=PHASES, warm_s=65.0)
    (finding,) = check_control(run, BUDGET)
    assert isinstance(finding, Finding)
    assert finding.verdict is verdict, finding.message
    assert finding.figures["allowed"] == BUDGET.memory_growth_bytes_per_h


def test_what_so_short_a_run_leaves_undecided_is_a_measurement(tmp_path: Path) -> None:
    run = evidence(tmp_path, events=PHASES, warm_s=65.0)
    (measured,) = check_control(run, Budget())
    assert isinstance(measured, Measurement)
    assert (measured.where, measured.figures["undecided"]) == ("api", 1)


def test_a_run_long_enough_that_leaves_it_undecided_is_inconclusive(tmp_path: Path) -> None:
    run = evidence(tmp_path, events=PHASES, warm_s=65.0)
    (finding,) = check_control(run, Budget(growth_decides_after_s=10.0))
    assert isinstance(finding, Finding)
    assert finding.verdict is Verdict.INCONCLUSIVE


def test_without_an_unloaded_stretch_nothing_is_measured(tmp_path: Path) -> None:
    assert check_control(evidence(tmp_path), BUDGET) == []
