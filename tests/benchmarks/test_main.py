"""The command: which benchmarks there are, what is printed and written, and how it ends."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.processes import ContestantFailed
from benchmarks.rows import Row, judge


class Benchmark:
    """Yields rows, then perhaps fails."""

    def __init__(self, rows: Sequence[Row], failure: Exception | None = None) -> None:
        self._rows = rows
        self._failure = failure
        self.arguments: Sequence[str] = ()

    def rows(self, arguments: Sequence[str]) -> Iterator[Row]:
        self.arguments = arguments
        yield from self._rows
        if self._failure:
            raise self._failure


def put(monkeypatch: pytest.MonkeyPatch, benchmark: Benchmark) -> None:
    monkeypatch.setattr(command, "load", lambda name: {"load": benchmark}[name])


@pytest.mark.parametrize("arguments", [["nope"], [], ["../load"]])
def test_an_unknown_name_is_told_the_known_ones(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(arguments, tmp_path) == 2
    assert "must be one of load" in capsys.readouterr().err


@pytest.mark.parametrize("name", command.NAMES)
def test_every_name_is_a_benchmark(name: str) -> None:
    assert callable(command.load(name).rows)


def test_a_missed_goal_is_told_and_ends_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark = Benchmark([judge("herd: CPU s", 0.2, at_most=0.15)])
    put(monkeypatch, benchmark)
    assert command.main(["load", "--rounds", "1"], tmp_path) == 0
    assert benchmark.arguments == ["--rounds", "1"]
    assert "NO" in capsys.readouterr().out
    assert json.loads((tmp_path / "load.json").read_text(encoding="utf-8"))[0]["holds"] is False


def test_what_could_not_be_run_shows_what_there_was_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(monkeypatch, Benchmark([judge("first", 1.0)], ContestantFailed("k6: failed")))
    assert command.main(["load"], tmp_path) == 1
    out, err = capsys.readouterr()
    assert "first" in out
    assert "k6: failed" in err
    assert not list(tmp_path.iterdir())
