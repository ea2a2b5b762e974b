"""The benchmark of sampling: its rows, and what it does without an engine."""

from collections.abc import Callable

import pytest

from benchmarks import probes
from benchmarks.probes import CONTAINERS_S_MAX, PROCESSES_S_MAX, SECTIONS, Setting, rows
from benchmarks.rows import Row
from harness.errors import EnvironmentMissing
from infra import engine


def test_a_pass_over_processes_stands_beside_psutil() -> None:
    beside, judged, cpu = rows(["--section", "processes", "--passes", "3"])
    assert beside.peer_name == "psutil.process_iter"
    assert beside.ratio is not None
    assert judged.goal == f"<= {PROCESSES_S_MAX:g}"
    assert judged.ours == beside.ours
    assert judged.ours is not None
    assert judged.holds == (judged.ours <= PROCESSES_S_MAX)
    assert cpu.ours is not None


def test_without_an_engine_the_goal_is_left_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise EnvironmentMissing("a Docker engine", "start one")

    monkeypatch.setattr(engine, "connect", refuse)
    (row,) = rows(["--section", "containers"])
    assert (row.ours, row.holds) == (None, None)
    assert row.goal == f"<= {CONTAINERS_S_MAX:g}"


@pytest.mark.needs_docker
def test_fewer_containers_are_said_to_be_fewer() -> None:
    told = list(rows(["--section", "containers", "--containers", "2", "--polled", "1", "--passes", "3"]))
    if told[0].ours is None:
        pytest.skip("no Docker engine with an image that is here")
    assert all("(2 x 10)" in row.measure for row in told)
    assert told[0].peer_name == "stats polled (1 x 20)"
    assert told[0].ratio is not None
    assert told[0].ratio < 1


def test_sections_are_run_as_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Setting]] = []

    def noting(name: str) -> Callable[[Setting], list[Row]]:
        def section(setting: Setting) -> list[Row]:
            asked.append((name, setting))
            return []

        return section

    monkeypatch.setattr(probes, "SECTIONS", {name: noting(name) for name in SECTIONS})
    assert list(rows(["--section", "share", "--share-s", "5"])) == []
    assert [name for name, _ in asked] == ["share"]
    assert asked[0][1].share_s == 5.0
    asked.clear()
    assert list(rows([])) == []
    assert [name for name, _ in asked] == list(SECTIONS)


@pytest.mark.parametrize("arguments", [["--containers", "0"], ["--section", "nothing"], ["--passes", "few"]])
def test_a_wrong_option_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        list(rows(arguments))
    assert arguments[1] in capsys.readouterr().err
