"""When services hold again what they held before a fault: gauges drawn by hand on ticks of one second."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judging.resources import held, resources_back
from harness.judging.series import Floats, Gauge, GaugeName, RunSeries
from harness.stats.recovery import Recovery

N, INJECTED_S, HEALED_S = 100, 40.0, 50.0
FDS = GaugeName("process", "api", "fds")


def back(name: GaugeName, values: Floats, *, ends_s: float = N) -> Recovery | None:
    """Return when a gauge of those values, one a second, is back after the heal; None when it is not looked at."""
    t_s = np.arange(1.0, N + 1)
    gauge = Gauge(values, values, values)
    series = RunSeries(t_s, {}, t_s, t_s, {name: gauge, GaugeName("machine", "all", "load"): gauge})
    seen = resources_back(series, t_s <= INJECTED_S, healed_s=HEALED_S, ends_s=ends_s)
    assert set(seen) <= {str(name)}
    return seen.get(str(name))


def high(level: float, more: float, until: int) -> Floats:
    """Return a gauge that is higher from the injection until a second."""
    values = np.full(N, level)
    values[int(INJECTED_S) : until] += more
    return values


@pytest.mark.parametrize(
    ("kind", "subject", "figure", "level", "slack"),
    [
        ("process", "api", "fds", 30.0, 4.0),
        ("process", "api", "threads", 8.0, 4.0),
        ("process", "redis", "rss_bytes", 80e6, 4e6),
        ("container", "redis", "memory_bytes", 80e6, 4e6),
        ("runtime", "api", "heap_bytes", 20e6, 1e6),
        ("runtime", "api", "pool_postgres_size", 5.0, 4.0),
        ("runtime", "api", "pool_redis_waiting", 0.0, 5.0),
        ("runtime", "api", "sessions", 20.0, 4.0),
        ("witness", "postgres", "connections", 9.0, 4.0),
    ],
)
def test_pools_descriptors_and_memory_are_dated_each_by_itself(
    kind: str, subject: str, figure: str, level: float, slack: float
) -> None:
    name = GaugeName(kind, subject, figure)
    assert back(name, high(level, 1.01 * slack, 63)) == Recovery(13, 14, 50)
    # No more than it wanders by itself is nothing.
    assert back(name, high(level, 0.99 * slack, 63)) == Recovery(0, 1, 50)


def test_what_never_came_back_is_censored_at_the_end_of_what_was_seen() -> None:
    assert back(FDS, high(30.0, 10.0, N)) == Recovery(50, None, 50)
    assert back(FDS, high(30.0, 10.0, N), ends_s=70.0) == Recovery(20, None, 20)
    # It looked good for too short a time.
    assert back(FDS, high(30.0, 10.0, 95)) == Recovery(45, None, 50)


@pytest.mark.parametrize("figure", ["pool_postgres_size", "sessions"])
def test_a_pool_or_a_crowd_that_is_gone_is_not_back(figure: str) -> None:
    name = GaugeName("runtime", "api", figure)
    assert back(name, high(20.0, -15.0, 60)) == Recovery(10, 11, 50)
    assert back(name, high(20.0, -9.0, 60)) == Recovery(0, 1, 50)
    assert back(FDS, high(20.0, -15.0, 60)) == Recovery(0, 1, 50)


def test_what_was_not_looked_at_before_the_fault_or_is_no_resource_is_not_told_of() -> None:
    unknown = np.where(np.arange(N) < INJECTED_S, np.nan, 3.0)
    assert back(FDS, unknown) is None
    for name in (("witness", "redis", "keys"), ("log", "api", "bytes"), ("process", "api", "cpu_s")):
        assert back(GaugeName(*name), np.full(N, 3.0)) is None


def test_a_gauge_is_taken_to_be_what_it_was_at_the_last_look() -> None:
    seldom = np.where(np.arange(N) % 5 == 0, high(30.0, 10.0, 63), np.nan)
    assert back(FDS, seldom) == Recovery(15, 16, 50)
    assert held(np.array([np.nan, 1.0, np.nan, 2.0, np.nan])).tolist()[1:] == [1.0, 1.0, 2.0, 2.0]


@given(st.lists(st.floats(0, 1e3), min_size=N, max_size=N))
def test_a_gauge_that_never_was_higher_than_before_is_back_at_once(values: list[float]) -> None:
    gauge = np.array(values)
    gauge[int(INJECTED_S) :] = np.minimum(gauge[int(INJECTED_S) :], np.median(gauge[: int(INJECTED_S)]))
    assert back(FDS, gauge) == Recovery(0, 1, 50)
