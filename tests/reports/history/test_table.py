import csv
from pathlib import Path

import pytest

from harness.comparison.earlier_runs import FIGURES_NAME, EarlierRuns
from reports import __main__ as command
from reports.history.table import drift, of_key, table
from tests.harness.pasts import KEY, keep, on, run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setattr(command, "RUNS", folder)
    monkeypatch.setattr(command, "BASELINES", tmp_path / "baselines")
    return folder


def test_runs_of_the_newest_runs_key_stand_side_by_side(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = on(time_scale=0.5)
    keep(run(0, key=other), runs)
    for n in range(1, 4):
        keep(run(n, failed=("errors",) if n == 2 else ()), runs)
    (keep(run(4), runs) / FIGURES_NAME).unlink()
    assert command.main(["history"]) == 0
    key, rows, told, others, without = capsys.readouterr().out.strip().split("\n\n")
    assert key == f"key {KEY.id}: {KEY}"
    heading, *lines = rows.splitlines()
    assert heading.split()[:4] == ["run", "latency_s_p50", "latency_s_p95", "latency_s_p99"]
    assert [line.split()[0] for line in lines] == [run(n).run_id for n in (1, 2, 3)]
    assert [line.split()[-1] for line in lines] == ["-", "errors", "-"]
    assert told == "drift not evaluated: 2 of 10 comparable passing runs"
    assert others.splitlines()[1].split() == [other.id, "1", "runs", *str(other).split()]
    assert without == f"without:\n  {run(4).run_id}: left no {FIGURES_NAME}"


def test_another_key_is_chosen_by_its_id(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = on(time_scale=0.5)
    keep(run(0, key=other), runs)
    keep(run(1), runs)
    assert command.main(["history", "--key", other.id]) == 0
    assert run(0).run_id in capsys.readouterr().out
    assert command.main(["history", "--key", "nosuch"]) == 2
    assert f"--key = <hidden>: must be one of {', '.join(sorted([KEY.id, other.id]))}" in capsys.readouterr().err


def test_without_any_run_it_says_so(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["history"]) == 2
    assert f"no run under {runs} has left a figures.json yet" in capsys.readouterr().err


def test_the_csv_file_has_every_figure_and_gaps_where_there_was_none(runs: Path, tmp_path: Path) -> None:
    keep(run(0, {"memory_bytes": None}), runs)
    keep(run(1, failed=("trend", "errors")), runs)
    path = tmp_path / "out.csv"
    assert command.main(["history", "--csv", str(path)]) == 0
    first, second = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    assert (first["run"], first["memory_bytes"], first["failed"]) == (run(0).run_id, "", "")
    assert (second["memory_bytes"], second["failed"]) == ("300000000.0", "trend errors")
    assert second["leak.process.api.rss_bytes.slope"] == "10.0"


def test_drift_holds_the_newest_runs_against_those_before_them() -> None:
    past = EarlierRuns(tuple(run(n, {"latency_s_p95": 0.2 if n < 5 else 0.25}) for n in range(10)))
    lines = {line.split()[0]: line.split()[-1] for line in drift(past).splitlines()[1:]}
    assert lines["latency_s_p95"] == "+25.0%"
    assert lines["memory_bytes"] == "+0.0%"
    assert "error_fraction" not in lines  # from nothing there is no fraction


def test_a_recovery_that_was_not_seen_to_its_end_is_marked() -> None:
    assert "> 3" in table(EarlierRuns((run(0, {"recovery_censored.down api_redis": 1.0}),)))
    assert "> 3" not in table(EarlierRuns((run(0),)))


def test_a_table_has_no_figures_of_single_services() -> None:
    assert "memory_bytes.api" not in table(EarlierRuns((run(0, {"memory_bytes.api": 1.0}),)))


def test_runs_of_other_keys_never_mix(runs: Path) -> None:
    every = EarlierRuns((run(0), run(1, key=on(host="other"))))
    assert of_key(every, KEY.id, runs).runs == (run(0),)


def test_a_run_is_accepted_by_name(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(run(0), runs)
    keep(run(1), runs)
    assert command.main(["baseline", "usual"]) == 0
    path = tmp_path / "baselines" / "usual.json"
    assert capsys.readouterr().out.strip() == str(path)
    assert run(1).run_id in path.read_text(encoding="utf-8")
    assert command.main(["baseline", "usual", run(0).run_id]) == 0
    assert run(0).run_id in path.read_text(encoding="utf-8")
    assert command.main(["baseline", "../usual"]) == 2
    assert "NAME = '../usual'" in capsys.readouterr().err
