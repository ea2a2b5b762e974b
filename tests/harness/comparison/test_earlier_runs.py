import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.comparison.earlier_runs import (
    FIGURES_NAME,
    RUNS_MAX,
    CalmWindow,
    EarlierRuns,
    Figures,
    Key,
    host_class,
    read_earlier_runs,
)
from harness.errors import JournalError
from tests.harness.pasts import KEY, keep, on, run


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    one = run(3, failed=("trend",))
    path = one.write(tmp_path / FIGURES_NAME)
    assert Figures.read(path) == one
    assert [found.name for found in tmp_path.iterdir()] == [FIGURES_NAME]


def test_what_is_not_finite_was_not_measured(tmp_path: Path) -> None:
    one = run(0, {"latency_s_p95": math.nan, "memory_bytes": math.inf})
    assert Figures.read(one.write(tmp_path / FIGURES_NAME)).figures == {
        name: value for name, value in one.figures.items() if math.isfinite(value)
    }


texts = st.text(max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
keys = st.builds(Key, texts, texts, texts, texts, numbers, texts, texts, texts)
windows = st.lists(st.builds(CalmWindow, numbers, numbers, numbers), max_size=5).map(tuple)
runs = st.builds(Figures, texts, texts, keys, st.dictionaries(texts, numbers), windows, st.lists(texts).map(tuple))


@given(one=runs)
def test_any_run_is_read_back(tmp_path_factory: pytest.TempPathFactory, one: Figures) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    assert Figures.read(one.write(path)) == one


def damaged(change: Any) -> str:
    raw = json.loads(json.dumps({"format": 1} | dataclasses.asdict(run())))
    change(raw)
    return json.dumps(raw)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        damaged(lambda raw: raw.pop("key")),
        damaged(lambda raw: raw.pop("figures")),
        damaged(lambda raw: raw.update(format=2)),
        damaged(lambda raw: raw["key"].update(seed="7")),
        damaged(lambda raw: raw["key"].update(time_scale="1")),
        damaged(lambda raw: raw["figures"].update(latency_s_p95="quick")),
        damaged(lambda raw: raw["figures"].update(latency_s_p95=True)),
        damaged(lambda raw: raw["figures"].update(latency_s_p95=math.nan)),
        damaged(lambda raw: raw.update(windows=[[1.0, 2.0]])),
        damaged(lambda raw: raw.update(run_id=None)),
    ],
)
def test_damage_is_told_with_the_files_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / FIGURES_NAME
    path.write_text(text, encoding="utf-8")
    with pytest.raises(JournalError, match=FIGURES_NAME):
        Figures.read(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(JournalError, match=FIGURES_NAME):
        Figures.read(path)


def test_runs_of_the_same_key_are_read_oldest_first(tmp_path: Path) -> None:
    for n in (3, 1, 2):
        keep(run(n), tmp_path)
    keep(run(4, key=on(time_scale=0.5)), tmp_path)
    past = read_earlier_runs(tmp_path, KEY)
    assert past == EarlierRuns((run(1), run(2), run(3)))
    assert len(read_earlier_runs(tmp_path).runs) == 4
    assert read_earlier_runs(tmp_path, KEY, but=run(2).run_id).runs == (run(1), run(3))
    assert read_earlier_runs(tmp_path / "none", KEY) == EarlierRuns()


def test_what_cannot_be_read_is_told_and_stops_nothing(tmp_path: Path) -> None:
    (keep(run(1), tmp_path) / FIGURES_NAME).write_text("{", encoding="utf-8")
    (keep(run(2), tmp_path) / FIGURES_NAME).unlink()
    keep(run(3), tmp_path)
    (tmp_path / "up-only").mkdir()  # a stack that was only brought up
    (tmp_path / "a file").touch()
    past = read_earlier_runs(tmp_path, KEY)
    assert past.runs == (run(3),)
    absent, broken = past.unread
    assert absent == f"{run(2).run_id}: left no {FIGURES_NAME}"
    assert broken.startswith(f"{run(1).run_id}: ")


def test_of_very_many_runs_the_newest_count(tmp_path: Path) -> None:
    for n in range(RUNS_MAX + 3):
        keep(run(n), tmp_path)
    past = read_earlier_runs(tmp_path, KEY)
    assert (len(past.runs), past.runs[0], past.runs[-1]) == (RUNS_MAX, run(3), run(RUNS_MAX + 2))


def test_only_what_passed_is_known_to_be_good() -> None:
    trend, wrong = run(2, failed=("trend",)), run(3, failed=("trend", "errors"))
    past = EarlierRuns((run(1), trend, wrong))
    assert past.known_good == (run(1),)
    assert past.value("memory_bytes") == [3e8]
    assert past.value("unheard of") == []
    assert [one.acceptable for one in past.runs] == [True, True, False]


def test_with_a_baseline_history_counts_from_it_on() -> None:
    accepted = run(5, failed=("trend",))
    past = EarlierRuns(tuple(accepted if n == 5 else run(n) for n in range(9)))
    since = past.since(accepted)
    assert [one.run_id for one in since.known_good] == [run(n).run_id for n in (5, 6, 7, 8)]


def test_keys_have_names_and_differences() -> None:
    other = on(host="Linux aarch64", defects="lost_write")
    assert KEY.id == on().id != other.id
    assert KEY.differences(other) == f"host {KEY.host!r} and 'Linux aarch64', defects '' and 'lost_write'"
    assert KEY.differences(on()) == ""
    assert str(other).endswith("version 0.1.0, defects lost_write")


def test_a_kernel_update_or_a_few_pages_are_no_other_kind_of_machine() -> None:
    host: dict[str, object] = {"system": "Linux 6.1.2", "machine": "x86_64", "python": "3.11.7", "cores": 2}
    kind = host_class(host | {"memory_bytes": 25_276_502_016})
    assert kind == "Linux x86_64, 2 cores, 24 GiB, Python 3.11"
    assert host_class(host | {"system": "Linux 6.9", "python": "3.11.9", "memory_bytes": 25_276_000_000}) == kind
    assert host_class({}) == "unknown unknown, 0 cores, 0 GiB, Python unknown"
