"""Cost by difference, the median of the rounds, and what becomes of a contestant that did less than was asked."""

from typing import Any

import pytest

from benchmarks import cost
from benchmarks.contestants.task import Task
from benchmarks.cost import Cost, Run, cost_of, cost_rows, median_cost
from benchmarks.load import rows as load_rows
from benchmarks.processes import ContestantFailed
from benchmarks.rows import Row
from benchmarks.setting import CONTESTANTS, Setting
from harness.errors import InputError


def run(
    for_s: float, cpu_s: float, requests: int, *, rate_per_s: float = 100.0, peak_rss_bytes: int = 40_000_000
) -> Run:
    return Run(Task("", rate_per_s, for_s, 10), cpu_s, peak_rss_bytes, requests, 10)


def test_start_up_is_charged_to_nobody() -> None:
    for start_up_s in (0.0, 0.5, 5.0):
        found = cost_of("k6", run(1, start_up_s + 100 * 5e-4, 100), run(11, start_up_s + 1100 * 5e-4, 1100))
        assert found.cpu_s_per_request == pytest.approx(5e-4)
        assert (found.peak_rss_bytes, found.delivered, found.fair) == (40_000_000, 1.0, True)


def test_the_share_delivered_is_the_long_run_s() -> None:
    found = cost_of("httpx", run(1, 1.0, 50), run(11, 11.0, 550))
    assert (found.delivered, found.fair) == (0.5, False)
    assert found.cpu_s_per_request == pytest.approx(0.02)


def test_flat_out_there_is_no_share() -> None:
    inf = float("inf")
    assert cost_of("k6", run(1, 1.0, 5000, rate_per_s=inf), run(4, 4.0, 20_000, rate_per_s=inf)).delivered == 1.0


def test_a_long_run_that_did_no_more_has_no_figure() -> None:
    with pytest.raises(ContestantFailed, match="k6: 90 requests in 11 s, 90 in 1 s"):
        cost_of("k6", run(1, 1.0, 90), run(11, 1.0, 90))


def test_the_median_is_taken_of_each_figure() -> None:
    assert median_cost([Cost(1, 30, 0.9), Cost(3, 10, 1.0), Cost(2, 20, 0.2)]) == Cost(2, 20, 0.9)


def test_rows_are_cpu_first_and_goals_are_those_of_two_peers() -> None:
    ours, bare, locust, k6 = (Cost(us * 1e-6, mb * 1e6, 1.0) for us, mb in ((40, 30), (30, 30), (100, 60), (90, 60)))
    rows = cost_rows("at 1000/s", {"ours": ours, "bare": bare, "locust": locust, "k6": k6})
    told = [(row.measure, row.peer_name, row.goal, row.holds) for row in rows]
    cpu, rss = "CPU us/request at 1000/s", "peak RSS MB at 1000/s"
    assert told == [
        (cpu, "bare", None, None),
        (cpu, "locust", "ratio <= 0.33", False),
        (cpu, "k6", "ratio <= 0.5", True),
        *((rss, name, None, None) for name in ("bare", "locust", "k6")),
    ]
    assert rows[0].ours == pytest.approx(40)
    assert rows[-1].peer == pytest.approx(60)
    assert rows[0].ratio == pytest.approx(40 / 30)


def test_a_peer_that_delivered_too_little_is_told_not_compared() -> None:
    first, *_ = cost_rows("", {"ours": Cost(1e-5, 1, 1.0), "k6": Cost(1e-3, 1, 0.61)})
    assert (first.peer_name, first.ratio, first.holds) == ("k6 (at 61% of the rate)", None, None)


def test_ours_delivering_too_little_wins_nothing() -> None:
    first, *_ = cost_rows("flat out", {"ours": Cost(1e-5, 1, 0.5), "k6": Cost(1e-3, 1, 1.0)})
    assert first.measure == "CPU us/request flat out (ours at 50% of the rate)"
    assert (first.ratio, first.holds) == (None, None)


def test_peers_are_shown_without_ours() -> None:
    first, *_ = cost_rows("", {"k6": Cost(1e-3, 1, 1.0)})
    assert (first.ours, first.ratio, first.holds) == (None, None, None)
    assert first.peer == pytest.approx(1000)


def test_rounds_go_through_all_contestants_short_run_first(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("uvloop", reason="the null server runs on uvloop, which this platform does not have")
    asked: list[tuple[str, float]] = []

    def run_once(server: Any, name: str, task: Task) -> Run:
        assert task.url == f"{server.url}/delay/0.006"
        asked.append((name, task.for_s))
        return run(task.for_s, task.for_s, round(task.for_s * 100))

    monkeypatch.setattr(cost, "run_once", run_once)
    cost.paced(Setting(rate_per_s=1000, connections=10, rounds=2, short_s=1, long_s=3, contestants=("bare", "k6")))
    assert asked == [("bare", 1), ("bare", 3), ("k6", 1), ("k6", 3)] * 2


def test_a_section_gets_the_options_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row("m", 1.0, None, None, None, None, None)
    seen: list[Setting] = []

    def section(setting: Setting) -> list[Row]:
        seen.append(setting)
        return [row]

    monkeypatch.setattr("benchmarks.load.SECTIONS", {"one": section, "two": section})
    assert list(load_rows([])) == [row, row]
    assert list(load_rows(["--section", "two", "--rate-per-s", "200", "--contestants", "ours,k6"])) == [row]
    assert seen[0] == Setting()
    assert seen[0].contestants == CONTESTANTS
    assert seen[-1] == Setting(rate_per_s=200.0, contestants=("ours", "k6"))


@pytest.mark.parametrize("wrong", [["--short-s", "0.5"], ["--short-s", "5", "--long-s", "5"]])
def test_two_runs_must_be_long_enough_and_differ(wrong: list[str]) -> None:
    with pytest.raises(InputError, match=wrong[-2]):
        list(load_rows(wrong))


@pytest.mark.parametrize(
    "wrong", [["--contestants", "ab"], ["--rounds", "0"], ["--rate-per-s", "inf"], ["--section", "x"]]
)
def test_wrong_options_are_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        list(load_rows(wrong))
    assert ended.value.code == 2
    assert wrong[0] in capsys.readouterr().err
