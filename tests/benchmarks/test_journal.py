"""The journal's benchmark in miniature: what it feeds, what it tells, what it scales."""

from pathlib import Path

import pytest

from benchmarks.journal import EveryRow, JsonLines, keep_all, rows, ticks
from harness.errors import InputError


def test_forty_series_of_every_kind_a_second_apart() -> None:
    told = list(ticks(0.02))
    assert [int(t_s) for t_s, _ in told] == list(range(1, 73))
    assert {len(values) for _, values in told} == {40}
    before: dict[str, float] = {}
    for _, values in told:
        for name, value in values.items():
            assert not name.endswith("_bytes") or value % 4096 == 0
            assert not name.endswith("cpu_s") or value >= before.get(name, 0)
        before = dict(values)
    assert [values for _, values in told] == [values for _, values in ticks(0.02)]


@pytest.mark.parametrize("begin", [EveryRow, JsonLines])
def test_a_peer_keeps_every_value(begin: type[EveryRow | JsonLines], tmp_path: Path) -> None:
    keeper = begin(tmp_path)
    kept = keep_all(keeper, tmp_path, 0.02)
    keeper.close()
    # No value takes less than eight bytes on either.
    assert kept.size_bytes > 72 * 40 * 8
    assert kept.tick_s.shape == (72,)
    assert kept.tick_s.min() > 0


def test_rows_tell_ours_and_scale_the_peers() -> None:
    found = list(rows(["--hours", "0.1", "--peer-hours", "0.05"]))
    assert [row.measure for row in found if row.peer_name is None] == [
        "0.1 h of 40 series: MB on disk, log included",
        "a tick: s p99.9",
        "a tick: s max",
        "0.1 h of 40 series: growth of RSS MB",
        "read the whole of a series: s",
        "read ten minutes of a series: s",
        "0.1 h of 40 series, faults keeping 4 h of it raw: MB on disk, log included",
        "a tick while 4 h are kept raw: s p99.9",
        "a tick while 4 h are kept raw: s max",
    ]
    assert all(row.holds for row in found if row.goal and "RSS" not in row.measure)
    json_lines = next(row for row in found if row.peer_name == "JSON lines (from 0.05 h)")
    assert json_lines.measure == "0.1 h of 40 series: MB on disk"
    # A line of some 1.5 kB a tick, for twice the ticks that it was given.
    assert json_lines.peer is not None
    assert 0.3 < json_lines.peer < 0.8


@pytest.mark.parametrize("wrong", ["0", "-1", "inf", "nan", "0.01"])
def test_a_run_of_no_length_is_refused(wrong: str) -> None:
    with pytest.raises(InputError, match="--peer-hours"):
        next(rows(["--peer-hours", wrong]))
