"""The slowdown verdict on simulated windows; rates are the benchmark's, here are the orders that must never turn."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from harness.stats.degradation import (
    LEAST,
    WIDTH_MAX_S,
    Slowdown,
    Windows,
    decide_drift,
    decide_slowdown,
    least_requests,
    merge_ticks,
    window_width_s,
)
from harness.verdict import Verdict

Floats = NDArray[np.float64]
ENOUGH = 2000.0


def windows(quantile_s: Floats | list[float], requests: float = ENOUGH) -> Windows:
    """Return windows of ten seconds."""
    values = np.asarray(quantile_s, dtype=np.float64)
    return Windows(np.arange(1.0, len(values) + 1) * 10, values, np.full(len(values), requests))


def noisy(rng: Generator, n: int, keep: float = 0.0) -> Floats:
    """Return p95 of 100 ms with 8 % of noise that remembers."""
    logs = rng.normal(0, 0.08, n)
    for k in range(1, n):
        logs[k] = keep * logs[k - 1] + math.sqrt(1 - keep**2) * logs[k]
    return np.asarray(0.1 * np.exp(logs))


def verdicts(factor: float, *, keep: float = 0.0, sizes: tuple[int, int] = (10, 20)) -> Counter[Verdict]:
    counts: Counter[Verdict] = Counter()
    for seed in range(200):
        rng = default_rng(seed)
        run = noisy(rng, sum(sizes), keep)
        counts[decide_slowdown(windows(run[: sizes[0]]), windows(run[sizes[0] :] * factor)).verdict] += 1
    return counts


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6])
def test_healthy_windows_are_hardly_ever_called_slower_however_they_remember(keep: float) -> None:
    assert verdicts(1.0, keep=keep)[Verdict.FAIL] <= 2


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6])
def test_a_slowdown_beyond_what_is_allowed_is_hardly_ever_passed(keep: float) -> None:
    assert verdicts(1.3, keep=keep)[Verdict.PASS] <= 4


def test_most_healthy_runs_pass_and_most_slow_ones_fail() -> None:
    assert verdicts(1.0)[Verdict.PASS] > 180
    assert verdicts(1.3)[Verdict.FAIL] > 180


def test_what_remembers_is_worth_less_and_leaves_more_undecided() -> None:
    undecided = [verdicts(1.0, keep=keep)[Verdict.INCONCLUSIVE] for keep in (0.0, 0.3, 0.6)]
    assert undecided == sorted(undecided)
    assert undecided[0] < undecided[-1] / 2


def test_fewer_windows_make_the_interval_wider() -> None:
    run = noisy(default_rng(1), 40)
    few, many = decide_slowdown(windows(run[:5]), windows(run[5:10])), decide_slowdown(windows(run), windows(run))
    assert few.upper - few.lower > 2 * (many.upper - many.lower)
    assert few.detectable > many.detectable


def test_the_stated_smallest_slowdown_is_found_nine_times_in_ten() -> None:
    found = 0
    for seed in range(200):
        rng = default_rng(seed)
        before, after = noisy(rng, 10), noisy(rng, 20)
        stated = decide_slowdown(windows(before), windows(after)).detectable
        found += decide_slowdown(windows(before), windows(after * (1 + stated))).verdict is Verdict.FAIL
    assert found >= 175


def test_the_estimate_is_what_it_is_called() -> None:
    seen = decide_slowdown(windows([0.1] * 10), windows([0.125] * 20))
    assert seen.change == pytest.approx(0.25)
    assert seen.verdict is Verdict.FAIL
    assert (seen.lower, seen.upper) == pytest.approx((0.25, 0.25))


@pytest.mark.parametrize(
    ("allowed", "change", "verdict"),
    [
        (0.2, 0.19, Verdict.PASS),
        (0.2, 0.21, Verdict.FAIL),
        (0.1, 0.09, Verdict.PASS),
        (0.1, 0.11, Verdict.FAIL),
        (1.0, 0.9, Verdict.PASS),
        (1.0, 1.1, Verdict.FAIL),
        (0.2, -0.5, Verdict.PASS),
    ],
)
def test_without_noise_the_limit_is_the_fraction_allowed(allowed: float, change: float, verdict: Verdict) -> None:
    assert decide_slowdown(windows([0.1] * 10), windows([0.1 * (1 + change)] * 10), allowed=allowed).verdict is verdict


def test_what_is_likely_slower_but_not_surely_is_undecided() -> None:
    run = [0.08, 0.12] * 5
    seen = decide_slowdown(windows(run), windows([value * 1.15 for value in run]))
    assert seen.verdict is Verdict.INCONCLUSIVE
    assert seen.lower < 0.2 < seen.upper


def test_a_pause_in_one_window_of_twenty_is_let_be() -> None:
    run = noisy(default_rng(3), 30)
    run[17] *= 30
    assert decide_slowdown(windows(run[:10]), windows(run[10:])).verdict is Verdict.PASS


def test_where_a_third_of_the_windows_is_far_slower_the_middle_does_not_pass_for_all() -> None:
    after = [0.1] * 14 + [5.0] * 6
    seen = decide_slowdown(windows([0.1] * 10), windows(after))
    assert seen.verdict is Verdict.INCONCLUSIVE
    assert "30% of the windows are slower" in seen.reason


def test_slack_makes_small_times_nobodys_concern_and_leaves_large_ones() -> None:
    small, large = [0.0005] * 10, [0.5] * 10
    assert decide_slowdown(windows(small), windows([0.0007] * 10)).verdict is Verdict.FAIL
    assert decide_slowdown(windows(small), windows([0.0007] * 10), slack_s=0.05).verdict is Verdict.PASS
    assert decide_slowdown(windows(large), windows([0.7] * 10), slack_s=0.05).verdict is Verdict.FAIL
    assert decide_slowdown(windows(small), windows([0.05] * 10), slack_s=0.05).verdict is Verdict.FAIL


def test_too_few_windows_decide_nothing_and_say_so() -> None:
    seen = decide_slowdown(windows([0.1] * (LEAST - 1)), windows([9.0] * 20))
    assert seen.verdict is Verdict.INCONCLUSIVE
    assert "4 and 20 windows" in seen.reason
    assert math.isnan(seen.change)


@pytest.mark.parametrize(("quantile", "least"), [(0.5, 20), (0.95, 200), (0.99, 1000), (0.999, 10_000)])
def test_a_window_needs_requests_beyond_its_quantile(quantile: float, least: int) -> None:
    assert least_requests(quantile) == least
    enough, few = windows([0.1] * 10, least), windows([0.1] * 10, least - 1)
    assert decide_slowdown(enough, enough, quantile=quantile).verdict is Verdict.PASS
    assert decide_slowdown(enough, few, quantile=quantile).verdict is Verdict.INCONCLUSIVE


times = st.lists(st.floats(0.0, 100.0), min_size=0, max_size=30)


@given(before=times, after=times, slack_s=st.floats(0, 0.1), allowed=st.floats(0.01, 2))
def test_whatever_the_windows_a_verdict_has_its_grounds(
    before: list[float], after: list[float], slack_s: float, allowed: float
) -> None:
    seen = decide_slowdown(windows(before), windows(after), slack_s=slack_s, allowed=allowed)
    if seen.verdict is Verdict.PASS:
        assert seen.upper < allowed
    elif seen.verdict is Verdict.FAIL:
        assert seen.lower > 0
        assert seen.upper >= allowed
    assert math.isnan(seen.change) or seen.lower <= seen.change <= seen.upper


@given(before=times, after=times, factor=st.floats(0.1, 10))
def test_the_verdict_does_not_depend_on_the_unit(before: list[float], after: list[float], factor: float) -> None:
    before, after = ([0.01 + value for value in part] for part in (before, after))
    one = decide_slowdown(windows(before), windows(after))
    other = decide_slowdown(*(windows([value * factor for value in part]) for part in (before, after)))
    assert _rounded(one) == _rounded(other)


def _rounded(seen: Slowdown) -> tuple[float, ...]:
    return tuple(round(math.log1p(min(value, 1e9)), 6) for value in (seen.change, seen.upper) if not math.isnan(value))


def test_drift_is_growth_of_the_logarithm_by_the_hour() -> None:
    n = 400
    hours = np.arange(1.0, n + 1) * 30 / 3600
    rng = default_rng(2)
    slow = 0.1 * np.exp(0.2 * hours + rng.normal(0, 0.03, n))
    flat = 0.1 * np.exp(rng.normal(0, 0.03, n))
    leaking, steady = (
        decide_drift(Windows(hours * 3600, values, np.full(n, ENOUGH)), budget_per_h=0.1) for values in (slow, flat)
    )
    assert leaking.verdict is Verdict.FAIL
    assert leaking.slope == pytest.approx(0.2, abs=0.04)
    assert steady.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("baseline_s", "test_s", "rate_per_s", "tick_s", "width_s"),
    [
        (20.0, 30.0, 200.0, 1.0, 2.0),  # requests ask for more than the wanted number would
        (20.0, 30.0, 2000.0, 1.0, 1.0),
        (600.0, 1200.0, 200.0, 1.0, 60.0 / 2),
        (100.0, 120.0, 200.0, 1.0, 6.0),
        (8.0, 12.0, 200.0, 0.4, 1.6),
        (172_800.0, 172_800.0, 200.0, 1.0, WIDTH_MAX_S),
        (100.0, 200.0, 1.0, 1.0, 250.0),
        (100.0, 200.0, 0.0, 1.0, 10.0),
    ],
)
def test_windows_are_as_wide_as_gives_enough_of_them_and_enough_in_each(
    baseline_s: float, test_s: float, rate_per_s: float, tick_s: float, width_s: float
) -> None:
    found = window_width_s(baseline_s, test_s, rate_per_s=rate_per_s, tick_s=tick_s, quantile=0.95)
    assert found == pytest.approx(width_s)


def test_ticks_are_merged_by_the_mean_of_their_logarithms_weighted_by_requests() -> None:
    t_s = np.array([1.003, 2.001, 3.0, 4.002, 5.0, 6.001])
    merged = merge_ticks(t_s, np.array([1, 4, 2, 2, math.nan, 3.0]), np.array([1, 1, 1, 3, 1, 0.0]), width_s=2.0)
    assert merged.end_s.tolist() == [2.0, 4.0]
    assert merged.quantile_s.tolist() == pytest.approx([2.0, 2.0])
    assert merged.requests.tolist() == [2.0, 4.0]


def test_cells_longer_than_a_window_are_windows() -> None:
    merged = merge_ticks(np.array([60.0, 120.0, 121.0]), np.array([1.0, 2.0, 3.0]), np.full(3, 9.0), width_s=10.0)
    assert merged.quantile_s.tolist() == pytest.approx([1.0, 2.0, 3.0])


def test_no_ticks_are_no_windows() -> None:
    empty = np.empty(0)
    assert len(merge_ticks(empty, empty, empty, width_s=1.0).end_s) == 0
    assert len(merge_ticks(np.ones(1), np.full(1, math.nan), np.ones(1), width_s=1.0).end_s) == 0


@given(st.lists(st.tuples(st.floats(0.001, 10), st.integers(0, 500)), min_size=1, max_size=60), st.integers(1, 20))
def test_merging_loses_no_request_and_invents_no_time(ticks: list[tuple[float, int]], width: int) -> None:
    quantile_s, requests = (np.array(column, dtype=np.float64) for column in zip(*ticks, strict=True))
    merged = merge_ticks(np.arange(1.0, len(ticks) + 1), quantile_s, requests, width_s=float(width))
    assert merged.requests.sum() == requests.sum()
    assert np.all(np.diff(merged.end_s) > 0)
    if len(merged.end_s):
        seen = quantile_s[requests > 0]
        assert seen.min() * 0.999 <= merged.quantile_s.min() <= merged.quantile_s.max() <= seen.max() * 1.001


def test_between_takes_the_windows_that_end_there() -> None:
    run = windows([1.0, 2.0, 3.0, 4.0])
    assert run.between(10.0, 30.0).quantile_s.tolist() == [2.0, 3.0]
