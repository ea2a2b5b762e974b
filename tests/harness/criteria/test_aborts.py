"""The list of what ends a run early: what it may say, and that all that is wrong with it is told at once."""

from collections.abc import Mapping
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.criteria.aborts import Abort
from harness.criteria.limits import Range, Statistic, When
from harness.errors import InputError
from harness.tables import Listed, keys_of, read
from harness.verdict import Verdict
from tests.harness.load.operations.test_declared import assert_input_errors

GOOD = "load.all.good_fraction"


def parse(tables: object) -> tuple[Abort, ...]:
    aborts: tuple[Abort, ...] = read(cast("Any", Listed[Abort]), "mine.toml", tables, where="abort_if")
    return aborts


def refused(*tables: object) -> list[str]:
    with pytest.raises(ExceptionGroup) as told:
        parse(list(tables))
    assert all(isinstance(error, InputError) for error in told.value.exceptions)
    return [str(error) for error in told.value.exceptions]


def test_the_shortest_is_a_series_a_statistic_and_a_bound() -> None:
    assert parse([{"series": GOOD, "statistic": "mean", "min": 0.5}]) == (
        Abort(series=GOOD, statistic=Statistic.MEAN, min=0.5),
    )
    assert parse([]) == ()


def test_everything_that_can_be_said() -> None:
    table = {
        "series": "process.*.rss_bytes",
        "except": ["process.toxiproxy.*"],
        "statistic": "max",
        "max": "450 MB",
        "min": "1 MB",
        "window_s": "30 s",
        "windows_in_a_row": 1,
        "when": "healed",
        "verdict": "FAIL",
    }
    assert table.keys() == set(keys_of(Abort))
    (one,) = parse([table])
    assert (one.wanted, one.window_s, one.windows_in_a_row) == (Range(1e6, 450e6), 30.0, 1)
    assert (one.when, one.verdict) == (When.HEALED, Verdict.FAIL)
    assert not one.adds_up
    assert one.names("process.api.rss_bytes")
    assert not one.names("process.toxiproxy.rss_bytes")
    assert not one.names("process.api.vms_bytes")


@pytest.mark.parametrize(
    ("table", "rules"),
    [
        ({}, ["series: missing", "statistic: missing"]),
        ({"series": GOOD, "statistic": "mean"}, ["must have min or max"]),
        ({"series": GOOD, "min": 1}, ["statistic: missing"]),
        ({"series": "all", "statistic": "mean", "min": 1}, ["must be the name of a series"]),
        (
            {"series": "load.all.ok", "statistic": "sum", "min": 1},
            ["take load.*, whose sum is that of all, or load.all"],
        ),
        ({"series": GOOD, "statistic": "every", "min": 1}, ["must be one of min, mean"]),
        ({"series": GOOD, "statistic": "mean", "min": 2, "max": 1}, ["must not be more than max"]),
        ({"series": GOOD, "statistic": "mean", "min": "half"}, ["must be a number"]),
        ({"series": "load.a.ok", "statistic": "increase", "min": 1}, ["is for a running total"]),
        ({"series": "machine.all.cpu_fraction", "statistic": "sum", "max": 1}, ["not for machine"]),
        ({"series": GOOD, "statistic": "mean", "min": 1, "window_s": 0}, ["above 0"]),
        ({"series": GOOD, "statistic": "mean", "min": 1, "windows_in_a_row": 0}, ["must be at least 1"]),
        ({"series": GOOD, "statistic": "mean", "min": 1, "windows_in_a_row": True}, ["must be a whole number"]),
        ({"series": GOOD, "statistic": "mean", "min": 1, "verdict": "PASS"}, ["must be one of INCONCLUSIVE, FAIL"]),
        ({"series": GOOD, "statistic": "mean", "min": 1, "when": "hot"}, ["must be one of calm, all, warm"]),
        ({"series": GOOD, "statistic": "mean", "min": 1, "except": GOOD}, ["must be a list"]),
        ({"series": GOOD, "statistic": "mean", "min": 1, "window": "10 s"}, ["no such key; did you mean window_s?"]),
    ],
)
def test_what_could_never_end_a_run_or_make_it_a_pass_is_refused(table: Mapping[str, object], rules: list[str]) -> None:
    told = refused(table)
    assert len(told) == len(rules)
    assert all(rule in text for rule, text in zip(rules, told, strict=True))


def test_all_that_is_wrong_is_told_at_once_with_its_place() -> None:
    good = {"series": GOOD, "statistic": "mean", "min": 0.5}
    told = refused(good, good | {"min": "x", "spurious": 1}, good | {"verdict": "PASS"})
    assert [text.split(" = ")[0] for text in told] == [
        "mine.toml: abort_if[1].min",
        "mine.toml: abort_if[1].spurious",
        "mine.toml: abort_if[2].verdict",
    ]


@pytest.mark.parametrize("tables", [{"series": GOOD}, "shed", 7, None, ["x"]])
def test_it_must_be_a_list_of_tables(tables: object) -> None:
    with pytest.raises(ExceptionGroup) as told:
        parse(tables)
    assert str(told.value.exceptions[0]).startswith("mine.toml: abort_if")


plain = st.text(max_size=4) | st.integers() | st.floats() | st.booleans() | st.none()
known = st.sampled_from([*Statistic, *When, *Verdict, "process.a.fds", "load.*.ok", GOOD, 1, "2 s"])
tables = st.dictionaries(
    st.sampled_from(keys_of(Abort)) | st.text(max_size=3), known | plain | st.lists(plain), max_size=6
)


@given(st.lists(tables, max_size=3))
def test_any_list_is_taken_whole_or_refused_with_input_errors_alone(told: list[dict[str, object]]) -> None:
    try:
        taken = parse(told)
    except ExceptionGroup as group:
        assert_input_errors(group)
    else:
        assert len(taken) == len(told)
        assert all(one.verdict is not Verdict.PASS and one.windows_in_a_row >= 1 and one.window_s > 0 for one in taken)
