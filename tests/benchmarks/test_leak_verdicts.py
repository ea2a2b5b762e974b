"""The verdicts' benchmark: what its peers decide, what it counts, and its rows."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import leak_verdicts, verdicts
from benchmarks.leak_peers import PEERS, Rule, line_fit, mann_kendall
from benchmarks.leak_verdicts import OURS, RUNS, Run, Setting, judged
from benchmarks.rows import write
from harness.verdict import Verdict

X = np.linspace(0, 1, 500)


@pytest.mark.parametrize("rule", PEERS.values(), ids=PEERS)
@pytest.mark.parametrize(("slope", "verdict"), [(0.0, Verdict.PASS), (9.0, Verdict.PASS), (11.0, Verdict.FAIL)])
def test_a_peer_finds_a_line_beyond_the_budget(rule: Rule, slope: float, verdict: Verdict) -> None:
    noise = 0.1 * np.random.default_rng(7).normal(size=500)
    assert rule(X, 100 + slope * X + noise, 10.0) is verdict


def test_each_peer_has_its_known_weakness() -> None:
    saw = 20 * X + 40 * (X * 15 % 1)
    assert line_fit(X, saw, 10.0) is Verdict.PASS
    warming = 50 * (1 - np.exp(-X * 5))
    assert mann_kendall(X, warming, 10.0) is Verdict.FAIL


def test_a_kind_is_judged_by_every_rule() -> None:
    cells = judged(RUNS[2], "composite", Setting(series=4))
    assert set(cells) == {OURS, *PEERS}
    for cell in cells.values():
        assert set(cell.found) == {"line", "arenas", "at random", "by load"}
        assert all(0 <= cell.found[name] + cell.silent[name] <= 100 for name in cell.found)
    assert set(judged(RUNS[2], "day", Setting(series=1))[OURS].found) == {"line"}


def test_the_same_seed_counts_the_same_and_another_not() -> None:
    run = RUNS[3]
    assert judged(run, "composite", Setting(5, 0)) == judged(run, "composite", Setting(5, 0))
    assert judged(run, "composite", Setting(5, 0)) != judged(run, "composite", Setting(5, 500))


def test_the_rows_are_those_of_each_length_of_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(leak_verdicts, "RUNS", (Run("2 min", 1 / 30, 1.0), RUNS[-1]))
    rows = list(verdicts.rows(["--section", "simulated", "--series", "1"]))
    assert {row.measure.partition(":")[0] for row in rows} == {"2 min", "fds, 24 h"}
    assert {row.peer_name for row in rows} == set(PEERS)
    assert all((row.goal is None) == (row.holds is None) for row in rows)
    goals = {row.measure.partition(": ")[2]: row.goal for row in rows if row.goal}
    assert goals == {
        "false alarms %, mean": "<= 1",
        "leaks passed %, mean": "<= 2",
        "leaks passed %, worst kind": "<= 2",
    }
    # NaN would not be written.
    assert json.loads(write("verdicts", rows, tmp_path).read_text(encoding="utf-8"))


@pytest.mark.parametrize("arguments", [["--series", "0"], ["--section", "nope"]])
def test_a_wrong_command_line_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        list(verdicts.rows(arguments))
    assert "usage:" in capsys.readouterr().err
