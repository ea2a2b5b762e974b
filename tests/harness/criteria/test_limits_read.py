"""The table of limits on series: what it may say, and that all that is wrong with it is told at once."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.criteria.budget import Budget
from harness.criteria.limits import Bound, GrowthLimit, SeriesLimit, Statistic, When
from harness.errors import InputError
from harness.tables import keys_of

FDS, LATENCY, LOAD = "process.api.fds", "load.all.response_s_p95", "load.all.offered"


def read(series: str, entry: object) -> tuple[SeriesLimit, ...]:
    return Budget().override("mine.toml", {"series": {series: entry}}).series.get(series, ())


def errors_of(table: Mapping[Any, object]) -> list[InputError]:
    with pytest.raises(ExceptionGroup) as caught:
        Budget().override("mine.toml", {"series": table})
    errors = [error for error in caught.value.exceptions if isinstance(error, InputError)]
    assert len(errors) == len(caught.value.exceptions)
    return errors


def refused(series: object, entry: object) -> list[str]:
    return [str(error) for error in errors_of({series: entry})]


def test_the_shortest_limit_is_one_number() -> None:
    (limit,) = read(FDS, {"max": 200})
    assert limit == SeriesLimit(series=FDS, max=200.0)
    assert limit.bound == Bound(200.0, None, Statistic.EVERY, None, 0)
    assert (limit.when, limit.excepted, limit.growth) == (When.CALM, (), ())


def test_everything_that_can_be_said_of_a_level() -> None:
    entry = {"max": "300 ms", "min": 0, "statistic": "p95", "window_s": "10 s", "bad_windows": 1}
    (limit,) = read("load.*.response_s_p95", entry | {"when": "all", "except": ["load.slow.*"]})
    assert limit.bound == Bound(0.3, 0.0, Statistic.P95, 10.0, 1)
    assert (limit.when, limit.excepted, limit.growth) == (When.ALL, ("load.slow.*",), ())


def test_everything_that_can_be_said_of_growth() -> None:
    (limit,) = read("runtime.api.heap_bytes", {"growth_per_h": "10 MB", "growth_per_request": 512})
    assert (limit.bound, limit.growth) == (None, (GrowthLimit("h", 1e7, 1e6), GrowthLimit("request", 512.0, 1e6)))
    (limit,) = read(LATENCY, {"growth_per_h": "1 ms", "wander": "5 ms"})
    assert limit.growth == (GrowthLimit("h", 0.001, 0.005),)


def test_a_value_is_read_in_the_unit_of_its_statistic() -> None:
    (cores,) = read("process.api.cpu_s", {"max": 0.5, "statistic": "increase_per_s"})
    (spent,) = read("process.api.cpu_s", {"max": "2 min", "statistic": "increase"})
    assert [limit.bound and limit.bound.maximum for limit in (cores, spent)] == [0.5, 120.0]
    (told,) = refused("process.api.cpu_s", {"max": "500 ms", "statistic": "increase_per_s"})
    assert told.endswith("must be a number")


def test_what_is_just_within_the_rules_is_taken() -> None:
    (limit,) = read("generator.lag_s_p95", {"max": 1, "min": 1, "window_s": 5, "bad_windows": 0})
    assert limit.bound == Bound(1.0, 1.0, Statistic.EVERY, 5.0, 0)


def test_a_list_sets_several_limits_on_one_series() -> None:
    both = read(LATENCY, [{"max": "2 s"}, {"max": "300 ms", "statistic": "p95"}])
    assert [limit.bound.maximum for limit in both if limit.bound] == [2.0, 0.3]


def test_a_later_source_replaces_the_limits_on_the_same_series_whole() -> None:
    first = Budget().override("a.toml", {"series": {FDS: [{"max": 200, "window_s": 10}, {"min": 1}], LOAD: {"min": 1}}})
    second = first.override("b.toml", {"series": {FDS: {"max": 500}}})
    assert second.series == {FDS: read(FDS, {"max": 500}), LOAD: read(LOAD, {"min": 1})}


def test_false_takes_a_limit_away_also_where_there_is_none() -> None:
    first = Budget().override("a.toml", {"series": {FDS: {"max": 200}}})
    assert first.override("b.toml", {"series": {FDS: False, LOAD: False}}) == Budget()


@pytest.mark.parametrize(
    ("series", "entry", "rules"),
    [
        # No limit at all, or none that could be broken or decided.
        (FDS, {}, ["must have max, min, growth_per_h or growth_per_request"]),
        (FDS, {"when": "all"}, ["must have max, min, growth_per_h or growth_per_request"]),
        (FDS, {"statistic": "p95"}, ["must have max, min", "says nothing without max or min"]),
        (FDS, {"growth_per_h": 6, "window_s": 10}, ["says nothing without max or min"]),
        (FDS, {"max": 5, "min": 6}, ["must not be more than max"]),
        (FDS, {"max": 5, "bad_windows": 1}, ["says nothing without window_s"]),
        (FDS, {"max": 5, "wander": 1}, ["says nothing without growth_per_h"]),
        (LATENCY, {"growth_per_h": "1 s"}, ["must be given where a duration is limited in growth"]),
        # A total of what is no count, and the rise of what is none.
        (FDS, {"max": 5, "statistic": "sum"}, ["is for what is counted tick by tick, not for process"]),
        ("runtime.api.gc_pauses", {"max": 5, "statistic": "sum_per_s"}, ["counted tick by tick, not for runtime"]),
        (LOAD, {"max": 5, "statistic": "increase"}, ["is for a running total, and load is counted tick by tick"]),
        (LOAD, {"max": 5, "statistic": "increase_per_s"}, ["is for a running total"]),
        # Values that no key takes.
        (FDS, {"max": "200 MB"}, ["must be a number"]),
        (FDS, {"max": True}, ["must be a number"]),
        (FDS, {"max": [1]}, ["must be a number"]),
        (LATENCY, {"max": "1 MB"}, ["must be a duration"]),
        ("process.api.rss_bytes", {"max": "1 s"}, ["must be a size"]),
        (FDS, {"max": 5, "statistic": "average"}, ["must be one of every, min, mean, max, last, p50, p95, p99, sum"]),
        (FDS, {"max": 5, "statistic": ["p95"]}, ["must be one of every"]),
        (FDS, {"max": 5, "when": "faults"}, ["must be one of calm, all"]),
        (FDS, {"max": 5, "window_s": 0}, ["must be above 0"]),
        (FDS, {"max": 5, "window_s": "wide"}, ["must be a duration"]),
        (FDS, {"max": 5, "window_s": 5, "bad_windows": 0.5}, ["must be a whole number"]),
        (FDS, {"max": 5, "window_s": 5, "bad_windows": -1}, ["must be at least 0"]),
        (FDS, {"max": 5, "except": "process.a.fds"}, ["must be a list"]),
        (FDS, {"max": 5, "except": ["fds"]}, ["must be the name of a series"]),
        (FDS, {"growth_per_h": 0}, ["must be above 0"]),
        (FDS, {"growth_per_request": -1}, ["must be above 0"]),
        (FDS, {"maximum": 5}, ["no such key"]),
        # Entries that are no limit.
        (FDS, 200, ["must be a table such as { max = 200 }"]),
        (FDS, True, ["must be a table"]),
        (FDS, [], ["must be a table"]),
        (FDS, [{"max": 1}, 5], ["must be a table"]),
        # What nested tables make of a name without quotes.
        ("process", {"api": {"fds": {"max": 200}}}, ["must be the name of a series"]),
        ("process..fds", {"max": 1}, ["must be the name of a series"]),
        ("process.api.fds.x", {"max": 1}, ["must be the name of a series"]),
        ("process.api.f[d]s", {"max": 1}, ["must be the name of a series"]),
        (7, {"max": 1}, ["must be the name of a series"]),
    ],
)
def test_what_could_never_be_judged_is_refused(series: object, entry: object, rules: list[str]) -> None:
    told = refused(series, entry)
    assert len(told) == len(rules)
    assert all(rule in text for rule, text in zip(rules, told, strict=True))


def test_an_error_names_file_place_value_and_rule() -> None:
    assert refused(FDS, {"max": "many"}) == [
        "mine.toml: budget.series.\"process.api.fds\".max = 'many': must be a number"
    ]
    (told,) = refused(FDS, [{"max": 1}, {"max": 1, "when": "now"}])
    where, rule = 'budget.series."process.api.fds"[1].when', "must be one of calm, all, warm, faulted, healed"
    assert told == f"mine.toml: {where} = 'now': {rule}"


def test_the_series_must_be_a_table() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        Budget().override("mine.toml", {"series": "process.api.fds"})
    (error,) = caught.value.exceptions
    assert str(error).startswith("mine.toml: budget.series = <hidden>: must hold a table for each series")


def test_the_series_of_a_limit_is_its_key_alone() -> None:
    (told,) = refused(FDS, {"max": 1, "series": LOAD})
    assert "no such key" in told


GOOD: Mapping[str, Any] = {"max": 5, "min": 1, "window_s": 10, "bad_windows": 1, "when": "all", "growth_per_h": 3}
BAD: Mapping[str, Any] = {
    **dict.fromkeys(("max", "min", "growth_per_h", "growth_per_request", "wander"), "much"),
    **dict.fromkeys(("statistic", "window_s", "bad_windows", "when", "except"), "x"),
}


@given(st.sets(st.sampled_from(sorted(BAD)), min_size=1), st.sets(st.sampled_from(sorted(GOOD))), st.booleans())
def test_every_broken_rule_is_told_at_once(bad: set[str], good: set[str], unknown: bool) -> None:  # noqa: FBT001 - drawn
    entry = {key: GOOD[key] for key in good} | {key: BAD[key] for key in bad} | ({"maks": 1} if unknown else {})
    errors = errors_of({FDS: entry, LOAD: {"max": "much"}})
    wrong = {f'budget.series."{FDS}".{key}' for key in bad} | {f'budget.series."{LOAD}".max'}
    wrong |= {f'budget.series."{FDS}".maks'} if unknown else set()
    assert {error.key for error in errors} == wrong
    assert len(errors) == len(wrong)


def test_every_key_has_a_bad_value_above() -> None:
    assert set(BAD) == {*keys_of(SeriesLimit)} - {"series"}
