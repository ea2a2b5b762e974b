"""A row's ratio and verdict, the table that people read and the file that programs read."""

import json
from pathlib import Path

import pytest

from benchmarks.rows import Row, compare, judge, table, write


@pytest.mark.parametrize(("ours", "holds"), [(40.0, True), (50.0, True), (50.1, False)])
def test_a_ratio_is_held_against_its_goal(ours: float, *, holds: bool) -> None:
    row = compare("CPU us/request", ours, 100.0, "k6", ratio_max=0.5)
    assert row == Row("CPU us/request", ours, 100.0, "k6", ours / 100, "ratio <= 0.5", holds)


def test_without_a_goal_there_is_nothing_to_hold() -> None:
    assert compare("RSS MB", 30.0, 60.0, "k6") == Row("RSS MB", 30.0, 60.0, "k6", 0.5, None, None)


@pytest.mark.parametrize(
    ("ours", "peer", "fair"), [(None, 10.0, True), (1.0, None, True), (1.0, 0.0, True), (1, 2, False)]
)
def test_what_cannot_be_compared_is_undecided_not_won(ours: float | None, peer: float | None, *, fair: bool) -> None:
    row = compare("CPU us/request", ours, peer, "k6", ratio_max=0.5, fair=fair)
    assert (row.ours, row.peer, row.ratio, row.goal, row.holds) == (ours, peer, None, "ratio <= 0.5", None)


@pytest.mark.parametrize(("ours", "holds"), [(0.15, True), (0.16, False), (None, None)])
def test_ours_alone_is_held_against_a_value(ours: float | None, *, holds: bool | None) -> None:
    row = judge("herd: CPU s", ours, at_most=0.15)
    assert row == Row("herd: CPU s", ours, None, None, None, "<= 0.15", holds)


def test_the_table_is_aligned_ascii() -> None:
    rows = [
        compare("CPU us/request", 31.234567, 89.0, "k6", ratio_max=0.5),
        compare("CPU us/request", 1.0, 12345.6, "httpx, long name"),
        judge("lateness s p50", 0.9, at_most=0.5),
    ]
    assert table(rows).splitlines() == [
        "measure          ours   peer  whose             ours/peer  goal          holds",
        "--------------  -----  -----  ----------------  ---------  ------------  -----",
        "CPU us/request  31.23     89  k6                    0.351  ratio <= 0.5  yes",
        "CPU us/request      1  12346  httpx, long name    8.1e-05                -",
        "lateness s p50    0.9      -                            -  <= 0.5        NO",
    ]


def test_the_file_is_a_list_of_the_rows(tmp_path: Path) -> None:
    rows = [compare("m", 1.0, 2.0, "k6", ratio_max=0.5), judge("n", None)]
    path = write("load", rows, tmp_path / "bench")
    assert path == tmp_path / "bench" / "load.json"
    assert json.loads(path.read_text(encoding="utf-8")) == [
        {
            "measure": "m",
            "ours": 1.0,
            "peer": 2.0,
            "peer_name": "k6",
            "ratio": 0.5,
            "goal": "ratio <= 0.5",
            "holds": True,
        },
        {"measure": "n", "ours": None, "peer": None, "peer_name": None, "ratio": None, "goal": None, "holds": None},
    ]
