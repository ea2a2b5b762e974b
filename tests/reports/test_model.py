"""A run folder as plain data: the gravest first, and a killed run told as what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import JournalError
from harness.journal import Journal
from harness.verdict import Verdict
from reports.model import command, read_run
from tests.reports.synthetic import FINDINGS, write_run


def test_findings_begin_with_the_gravest_and_the_reasons_are_its_messages(tmp_path: Path) -> None:
    view = read_run(write_run(tmp_path / "run"))
    assert view.verdict is Verdict.FAIL
    assert [f.verdict for f in view.findings] == ["FAIL", "INCONCLUSIVE", "PASS", "PASS"]
    assert view.reasons[0] == view.findings[0].message


def test_what_decided_nothing_is_no_finding_within_its_budget(tmp_path: Path) -> None:
    passed = tuple(f for f in FINDINGS if f.verdict is Verdict.PASS)
    view = read_run(write_run(tmp_path / "run", findings=passed))
    assert (view.verdict, [m.check for m in view.measurements]) == (Verdict.PASS, ["mttr"])
    assert "2 findings" in view.reasons[0]


def test_faults_carry_plan_window_and_recovery(tmp_path: Path) -> None:
    rows = {row.name: row for row in read_run(write_run(tmp_path / "run")).faults}
    latency = rows["latency api_postgres"]
    assert latency.window is not None
    assert (latency.planned_s, latency.window.injected_s, latency.window.healed_s) == (60.0, 60.0, 70.3)
    assert rows["down api_redis"].verdict is Verdict.FAIL
    assert rows["down client_api"].window is None


def test_a_killed_run_is_inconclusive_and_shows_what_there_is(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "verdict.json").unlink()
    view = read_run(folder)
    assert view.verdict is Verdict.INCONCLUSIVE
    assert (view.findings[0].check, view.measurements) == ("run", ())
    assert len(view.faults) == 3
    assert view.end_s > 149


def test_an_empty_journal_is_a_run_with_nothing_in_it(tmp_path: Path) -> None:
    Journal(tmp_path).close()
    view = read_run(tmp_path)
    assert (view.end_s, view.faults, view.phases) == (0.0, (), ())


def test_a_folder_without_a_journal_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no such journal"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("meta", "line"),
    [
        ({"scenario": "soak_short", "seed": 7, "stack": "local", "time_scale": 1.0}, "make soak-short ARGS='--seed 7'"),
        (
            {"scenario": "soak_short", "seed": 7, "stack": "compose", "time_scale": 0.5, "defects": ["lost_write:9"]},
            "make soak-short ARGS='--seed 7 --stack compose --time-scale 0.5 --defect lost_write:9'",
        ),
        (
            {"scenario": "half_open", "verb": ["replay", "half_open"], "seed": 7, "workers": 2},
            "make replay ARGS='half_open --seed 7 --workers 2'",
        ),
        (
            {"scenario": "soak_short", "seed": 7, "environment": {"HW_BUDGET_RECOVERY_S": "10 s"}},
            "HW_BUDGET_RECOVERY_S='10 s' make soak-short ARGS='--seed 7'",
        ),
    ],
)
def test_the_command_plays_the_run_again(meta: dict[str, object], line: str) -> None:
    assert command(meta) == line
