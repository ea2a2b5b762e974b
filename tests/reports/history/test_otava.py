"""Otava's part is played by a program of a few lines, but for one test of the real one where uv has it already."""

import json
import sys
from pathlib import Path

import pytest

from harness.comparison.earlier_runs import EarlierRuns
from harness.errors import EnvironmentMissing, HeavyweatherError
from reports.history.otava import ChangePoint, figure_tables, find_change_points, otava, read_answer
from reports.history.table import points_text
from tests.harness.pasts import run

# Finds in each test the last run, as Otava would tell of it; keeps what it was given.
FAKE = """
import csv, json, pathlib, sys
arguments = sys.argv[1:]
config = json.loads(pathlib.Path(arguments[arguments.index("--config-file") + 1]).read_text())
pathlib.Path(sys.argv[0]).with_name("given.json").write_text(json.dumps([arguments, config]))
for name, test in config["tests"].items():
    rows = list(csv.DictReader(open(test["file"])))
    change = {"metric": "value", "mean_before": "1.000000", "mean_after": "1.200000", "pvalue": "0.000001"}
    group = {"time": 7, "attributes": {"run": rows[-1]["run"]}, "changes": [change]}
    print(json.dumps({name: [group] if len(rows) > 6 else []}))
"""


def varying(n: int, step: float = 1.0) -> EarlierRuns:
    """Return runs of which two figures vary, one of them with a step at run 30."""
    jitter = [1.0, 1.01, 0.99, 1.02, 0.98, 1.015, 0.985]
    steps = [step if k >= 30 else 1.0 for k in range(n)]
    figures = [{"latency_s_p95": 0.2 * jitter[k % 7] * steps[k], "memory_bytes": 3e8 * jitter[k % 5]} for k in range(n)]
    return EarlierRuns(tuple(run(k, figures[k]) for k in range(n)))


def fake(folder: Path, text: str = FAKE) -> list[str]:
    program = folder / "otava.py"
    program.write_text(text, encoding="utf-8")
    return [sys.executable, str(program)]


def test_every_figure_that_varies_is_looked_at_and_the_answer_read(tmp_path: Path) -> None:
    points = find_change_points(varying(7), fake(tmp_path))
    assert [(point.figure, point.run) for point in points] == [
        ("latency_s_p95", run(6).run_id),
        ("memory_bytes", run(6).run_id),
    ]
    assert points[0].before == pytest.approx(0.2, rel=0.02)
    assert points[0].after == pytest.approx(1.2 * points[0].before)
    told = points_text(points).splitlines()
    assert told[:1] == ["Otava: change points"]
    assert told[1].startswith(f"  latency_s_p95 +20.0% from {run(6).run_id} on: ")
    arguments, config = json.loads((tmp_path / "given.json").read_text())
    assert arguments[0] == "analyze"
    assert arguments[-2:] == ["figure_0", "figure_1"] == list(config["tests"])
    # It would leave out what is older than a year.
    assert arguments[arguments.index("--since") + 1] == "2000-01-01"


def test_what_never_varies_or_is_of_few_runs_is_not_asked_about() -> None:
    assert set(figure_tables(varying(7))) == {"latency_s_p95", "memory_bytes"}
    assert figure_tables(varying(5)) == {}
    assert find_change_points(varying(5), ["no such program"]) == []
    assert points_text([]) == "Otava: no change point"


def test_a_run_that_is_wrong_is_left_out_and_one_that_is_only_slower_is_not() -> None:
    runs = [*varying(8).runs, run(8, {"latency_s_p95": 9.0}, failed=("errors",)), run(9, failed=("trend",))]
    rows = figure_tables(EarlierRuns(tuple(runs)))["latency_s_p95"]
    assert [name for _, name, _ in rows] == [run(n).run_id for n in (*range(8), 9)]


@pytest.mark.parametrize("answer", ["Oh no", "[]", '{"figure_9": [1]}', '{"figure_0": [{"changes": [{}]}]}'])
def test_an_answer_that_is_not_understood_says_so(answer: str) -> None:
    with pytest.raises(HeavyweatherError, match="Otava's answer is not understood"):
        read_answer(answer, figure_tables(varying(7)))


def test_what_is_missing_or_fails_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="cannot be started"):
        find_change_points(varying(7), [str(tmp_path / "nosuch")])
    resolving = fake(tmp_path, "import sys; sys.exit('error: No solution found when resolving tool dependencies')")
    with pytest.raises(EnvironmentMissing, match="needs a network once: error: No solution found"):
        find_change_points(varying(7), resolving)
    with pytest.raises(HeavyweatherError, match=r"Otava failed \(1\): Oh no"):
        find_change_points(varying(7), fake(tmp_path, "import sys; sys.exit('Oh no')"))


def test_without_uv_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.history.otava.importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr("reports.history.otava.shutil.which", lambda *_, **__: None)
    with pytest.raises(EnvironmentMissing, match=r"uv, which runs Apache Otava, is missing: .*pip install uv"):
        otava()
    monkeypatch.setattr("reports.history.otava.shutil.which", lambda *_, **__: "/opt/uv")
    assert otava()[:3] == ["/opt/uv", "tool", "run"]


def test_from_nothing_there_is_no_fraction() -> None:
    assert "error_fraction from nothing from r on" in str(ChangePoint("error_fraction", "r", 0, 0.0, 0.1, 0.0))
    assert "+50.0%" in str(ChangePoint("slope", "r", 0, -2.0, -1.0, 0.0))


def test_the_real_one_finds_a_step_in_one_figure_and_none_in_the_other() -> None:
    command = [*otava()]
    command.insert(command.index("--quiet"), "--offline")
    try:
        (point,) = find_change_points(varying(40, 1.2), command)
    except EnvironmentMissing:
        pytest.skip("Apache Otava is not in uv's cache: `nox -s history -- --otava` puts it there")
    assert (point.figure, point.run) == ("latency_s_p95", run(30).run_id)
    assert point.after / point.before == pytest.approx(1.2, rel=0.02)
