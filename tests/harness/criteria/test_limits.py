"""Which series a limit is on, and in which unit it is read and written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.criteria.limits import (
    GrowthLimit,
    Range,
    SeriesLimit,
    Statistic,
    amount,
    misfit,
    unit_of,
    wander_of,
)
from harness.tables import is_series_name

NAMES = ["process.api.fds", "process.auth.fds", "process.api.threads", "generator.lag_s_p95", "log.api.bytes"]


def on(series: str, *excepted: str) -> set[str]:
    limit = SeriesLimit(series=series, max=1).model_copy(update={"excepted": excepted})
    return {name for name in NAMES if limit.names(name)}


@pytest.mark.parametrize(
    ("series", "named"),
    [
        ("process.api.fds", {"process.api.fds"}),
        ("process.*.fds", {"process.api.fds", "process.auth.fds"}),
        ("process.api.*", {"process.api.fds", "process.api.threads"}),
        ("process.a*.fds", {"process.api.fds", "process.auth.fds"}),
        ("process.?pi.fds", {"process.api.fds"}),
        ("generator.*", {"generator.lag_s_p95"}),
        # A wildcard stays between its dots.
        ("process.*", set()),
        ("*.fds", set()),
        ("process.API.fds", set()),
    ],
)
def test_a_wildcard_stands_for_anything_between_two_dots(series: str, named: set[str]) -> None:
    assert on(series) == named


def test_an_exception_is_not_judged() -> None:
    assert on("process.*.fds", "process.auth.*") == {"process.api.fds"}
    assert on("process.*.fds", "process.*.fds") == set()


@given(st.sampled_from(NAMES))
def test_a_name_without_wildcards_is_on_itself_alone(name: str) -> None:
    assert on(name) == {name}


@pytest.mark.parametrize(
    ("series", "statistic", "text", "value", "told"),
    [
        ("process.api.rss_bytes", "every", "200 MB", 200e6, "200.0 MB"),
        ("log.api.bytes", "every", "1 kB", 1e3, "1.0 kB"),
        ("container.api.net_sent_bytes", "increase_per_s", "2 MB", 2e6, "2.0 MB"),
        ("load.all.response_s_p95", "p95", "300 ms", 0.3, "300 ms"),
        ("process.api.cpu_s", "increase", "2 min", 120.0, "2 min 0 s"),
        # Seconds for each second are cores.
        ("process.api.cpu_s", "increase_per_s", 0.5, 0.5, "0.5"),
        ("witness.redis.ops_per_s", "every", 1234567, 1234567.0, "1.23457e+06"),
        ("process.api.fds", "every", 200, 200.0, "200"),
        ("load.all.offered", "sum", -1, -1.0, "-1"),
        # An s within a word is no second.
        ("process.api.sockets_other", "every", 3, 3.0, "3"),
    ],
)
def test_a_figure_tells_its_unit(series: str, statistic: str, text: str | float, value: float, told: str) -> None:
    unit = unit_of(series, Statistic(statistic))
    assert unit.quantity.read(text) == value
    assert unit.format(value) == told


@pytest.mark.parametrize("value", ["200", "10 s", float("nan"), float("inf")])
def test_a_plain_number_is_finite_and_has_no_unit(value: str | float) -> None:
    with pytest.raises(ValueError, match=r"^must be a "):
        unit_of("process.api.fds").quantity.read(value)


@pytest.mark.parametrize(
    ("series", "wander"),
    [
        ("process.api.rss_bytes", 4e6),
        ("runtime.api.heap_bytes", 1e6),
        ("process.*.fds", 4.0),
        ("witness.redis.keys", 200.0),
        ("container.api.net_sent_bytes", 4e6),
        ("witness.postgres.locks", 4.0),
        ("load.all.response_s_p95", None),
    ],
)
def test_what_a_healthy_gauge_wanders_goes_by_its_kind(series: str, wander: float | None) -> None:
    assert wander_of(series) == wander


def test_a_limit_without_hours_keeps_the_rest() -> None:
    limit = SeriesLimit(series="process.api.fds", growth_per_h=6, growth_per_request=0.1)
    assert limit.growth == (GrowthLimit("h", 6.0, 4.0), GrowthLimit("request", 0.1, 4.0))
    assert limit.without_hours().growth == limit.growth[1:]


@pytest.mark.parametrize(
    ("series", "statistic", "why"),
    [
        (
            "process.a.fds",
            Statistic.SUM,
            "is for what is counted tick by tick, not for process: of a running total take",
        ),
        ("machine.all.cpu_fraction", Statistic.SUM_PER_S, "not for machine"),
        ("load.a.ok", Statistic.INCREASE, "is for a running total, and load is counted tick by tick: take sum"),
        ("load.a.ok", Statistic.INCREASE_PER_S, "is for a running total"),
        ("load.a.ok", Statistic.SUM, ""),
        ("process.a.cpu_s", Statistic.INCREASE, ""),
        ("process.a.fds", Statistic.MAX, ""),
        ("process.a.fds", None, ""),
    ],
)
def test_a_sum_is_of_counts_and_a_rise_of_totals(series: str, statistic: Statistic | None, why: str) -> None:
    told = misfit(series, statistic)
    assert why in told
    assert bool(told) is bool(why)


ends = st.floats(-9, 9) | st.none()


@given(ends, ends, st.floats(-9, 9))
def test_a_range_holds_what_no_end_of_it_forbids(minimum: float | None, maximum: float | None, value: float) -> None:
    one = Range(minimum, maximum)
    assert one.holds(value) is not (
        (minimum is not None and value < minimum) or (maximum is not None and value > maximum)
    )


def test_a_range_is_told_by_its_ends() -> None:
    assert Range(1, 2).told("{:g} s".format) == "at most 2 s and at least 1 s"
    assert Range(1, None).told("{:g}".format) == "at least 1"
    assert Range(None, 2).told("{:g}".format) == "at most 2"


def test_what_a_rate_came_to_is_a_second_s() -> None:
    assert amount("process.a.cpu_s", Statistic.INCREASE_PER_S, 0.5) == "0.5/s"
    assert amount("process.a.cpu_s", Statistic.INCREASE, 0.5) == "500 ms"


@pytest.mark.parametrize("name", ["a", "a.b.c.d", "a..b", "a b.c", ".a.b", 7, None, ["a.b"]])
def test_what_is_no_name_of_a_series_is_known(name: object) -> None:
    assert not is_series_name(name)
    assert is_series_name("process.*.fds_?")
