"""The list of what must have been seen: what it may say, and that all that is wrong with it is told at once."""

import re
from collections.abc import Mapping
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.criteria.limits import Range, Statistic, When
from harness.criteria.observations import EventSeen, Observation, OutcomesSeen, SeriesSeen
from harness.errors import InputError
from harness.records import Event, Outcome
from harness.tables import Listed, keys_of, read
from tests.harness.load.operations.test_declared import assert_input_errors

KEYS = list(dict.fromkeys(key for form in (SeriesSeen, OutcomesSeen, EventSeen) for key in keys_of(form)))


def parse(tables: object) -> tuple[SeriesSeen | EventSeen, ...]:
    seen: tuple[SeriesSeen | EventSeen, ...] = read(
        cast("Any", Listed[Observation]), "mine.toml", tables, where="must_observe"
    )
    return seen


def one_of(**table: Any) -> Observation:
    (one,) = parse([{key.rstrip("_"): value for key, value in table.items()}])
    return one


def refused(*tables: object) -> list[str]:
    with pytest.raises(ExceptionGroup) as told:
        parse(list(tables))
    assert all(isinstance(error, InputError) for error in told.value.exceptions)
    return [str(error) for error in told.value.exceptions]


def test_nothing_asks_for_nothing() -> None:
    assert parse([]) == ()


def test_calls_that_were_given_up() -> None:
    one = one_of(outcome="cancelled", min=20)
    assert one == SeriesSeen(series="load.*.cancelled", statistic=Statistic.SUM, min=20)
    assert one.adds_up
    named = one_of(outcome="timed_out", operation="cache_*", max=7, when="faulted")
    assert named == SeriesSeen(series="load.cache_*.timed_out", statistic=Statistic.SUM, max=7, when=When.FAULTED)


def test_a_breaker_that_opened() -> None:
    one = one_of(series="runtime.*.breaker_*_opened", statistic="increase", min=1, except_=["runtime.api.breaker_x_*"])
    assert isinstance(one, SeriesSeen)
    assert (one.statistic, one.wanted, one.adds_up) == (Statistic.INCREASE, Range(1.0, None), False)
    assert one.names("runtime.api.breaker_redis_opened")
    assert not one.names("runtime.api.breaker_x_opened")
    assert not one.names("runtime.api.breaker_redis_state")


def test_a_level_is_read_in_its_unit() -> None:
    one = one_of(series="load.all.response_s_p95", statistic="max", min="300 ms", max="2 s", when="all")
    assert one == SeriesSeen(series="load.all.response_s_p95", statistic=Statistic.MAX, min=0.3, max=2.0, when=When.ALL)
    assert not one.adds_up


def test_once_is_enough_where_nothing_is_said() -> None:
    assert one_of(outcome="shed").wanted == one_of(event="oom_killed").wanted == Range(1, None)
    assert one_of(event="oom_killed", max=0).wanted == Range(None, 0)


def test_an_event_is_told_by_its_kind_and_its_details() -> None:
    one = one_of(event="fault", where={"step": "proved", "target": "api_*", "n": 7})
    assert isinstance(one, EventSeen)
    assert str(one) == "fault (step proved, target api_*, n 7)"
    detail = {"step": "proved", "target": "api_redis", "n": 7, "more": 1}
    assert one.fits(Event(1.0, "fault", detail))
    assert not one.fits(Event(1.0, "phase", detail))
    assert not one.fits(Event(1.0, "fault", detail | {"target": "feed_redis"}))
    assert not one.fits(Event(1.0, "fault", {"step": "proved"}))
    assert str(one_of(event="fault")) == "fault"


@pytest.mark.parametrize(
    ("table", "rules"),
    [
        ({}, ["must have one of series, outcome, event"]),
        ({"min": 1}, ["must have one of series, outcome, event"]),
        ({"outcome": "shed", "event": "fault"}, ["must have one of series, outcome, event"]),
        ({"series": "a.b", "min": 1}, ["statistic: missing"]),
        ({"series": "a.b", "statistic": "max"}, ["must have min or max"]),
        ({"series": "a.b", "statistic": "every", "min": 1}, ["must be one of min, mean"]),
        ({"series": "a", "statistic": "max", "min": 1}, ["must be the name of a series"]),
        ({"series": 7, "statistic": "max", "min": 1}, ["must be a text"]),
        ({"series": "load.all.timed_out", "statistic": "sum", "min": 1}, ["is by operation: take load.*"]),
        ({"series": "a.b", "statistic": "max", "min": 2, "max": 1}, ["must not be more than max"]),
        ({"series": "a.b", "statistic": "max", "min": "1 s"}, ["must be a number"]),
        ({"series": "process.a.fds", "statistic": "sum", "min": 1}, ["is for what is counted tick by tick"]),
        ({"series": "load.a.ok", "statistic": "increase", "min": 1}, ["is for a running total"]),
        ({"series": "load.a.ok", "statistic": "sum", "min": 0}, ["must be above 0"]),
        ({"series": "a.b", "statistic": "increase", "min": -1}, ["must be above 0"]),
        ({"series": "a.b", "statistic": "max", "min": 1, "operation": "x"}, ["no such key"]),
        ({"outcome": "shed", "statistic": "sum"}, ["no such key"]),
        ({"outcome": "shed", "except": ["a.b"]}, ["no such key"]),
        ({"outcome": "shed", "where": {"a": 1}}, ["no such key"]),
        ({"outcome": "sheds"}, ["must be one of ok, refused"]),
        ({"outcome": "shed", "operation": "no such"}, ["must be the name of an operation"]),
        ({"outcome": "shed", "min": 0}, ["must be above 0"]),
        ({"outcome": "shed", "min": 1.5}, ["must be a whole number"]),
        ({"outcome": "shed", "when": "now"}, ["must be one of calm, all, warm, faulted, healed"]),
        ({"event": "", "min": 1}, ["must be a kind of event"]),
        ({"event": "fault", "where": {}}, ["must be a table of details"]),
        ({"event": "fault", "where": {"a": [1]}}, ["must give each detail a text or a number"]),
        ({"event": "fault", "minimum": 1}, ["no such key; did you mean min?"]),
    ],
)
def test_what_every_run_shows_or_none_could_is_refused(table: Mapping[str, object], rules: list[str]) -> None:
    told = refused(table)
    assert len(told) == len(rules)
    assert all(rule in text for rule, text in zip(rules, told, strict=True))


def test_all_that_is_wrong_is_told_at_once_with_its_place() -> None:
    told = refused({"outcome": "shed", "min": -1, "max": "x"}, 7, {"event": "fault"}, {"spurious": 1, "when": "now"})
    assert [re.split(" = |: ", text)[1] for text in told] == [
        "must_observe[0].min",
        "must_observe[0].max",
        "must_observe[1]",
        "must_observe[3]",
    ]


@pytest.mark.parametrize("tables", [{}, {"outcome": "shed"}, "shed", 7, None])
def test_it_must_be_a_list(tables: object) -> None:
    with pytest.raises(ExceptionGroup) as told:
        parse(tables)
    (error,) = told.value.exceptions
    assert "must_observe" in str(error)
    assert "must be a list" in str(error)


plain = st.text(max_size=4) | st.integers() | st.floats() | st.booleans() | st.none()
values = plain | st.lists(plain, max_size=2) | st.dictionaries(st.text(max_size=3), plain, max_size=2)
known = st.sampled_from([*Outcome, *Statistic, *When, "process.a.fds", "load.*.ok", "fault", 1, "2 s"])


@given(
    st.lists(
        st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), known | values, max_size=5),
        max_size=3,
    )
)
def test_any_list_is_taken_whole_or_refused_with_input_errors_alone(tables: list[dict[str, object]]) -> None:
    try:
        taken = parse(tables)
    except ExceptionGroup as group:
        assert_input_errors(group)
    else:
        assert len(taken) == len(tables)
        assert all(one.wanted != Range(None, None) for one in taken)
        assert all(table.keys() <= set(KEYS) for table in tables)
