"""The rules without statistics: growth over a run, a ceiling, and growth in the second half."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng

from harness.stats.growth import decide_ceiling, decide_growth, decide_second_half
from harness.verdict import Verdict

MB = 1e6
DAY_H = np.linspace(0, 24, 1440)


@pytest.mark.parametrize(("grown", "verdict"), [(0, "PASS"), (49, "PASS"), (51, "FAIL"), (-80, "PASS")])
def test_growth_over_a_day_is_held_against_its_limit(grown: float, verdict: str) -> None:
    y = np.where(DAY_H > 12, 1e8 + grown * MB, 1e8)
    growth = decide_growth(DAY_H, y, limit=50 * MB, over=24)
    assert growth.verdict.value == verdict
    assert growth.observed == pytest.approx(grown * MB)


def test_a_limit_for_a_day_is_not_kept_by_an_hour_but_can_be_broken_in_one() -> None:
    hour = DAY_H / 24
    assert decide_growth(hour, np.full(1440, 1e8), limit=50 * MB, over=24).verdict is Verdict.INCONCLUSIVE
    assert decide_growth(hour, 1e8 + 60 * MB * hour, limit=50 * MB, over=24).verdict is Verdict.FAIL
    assert decide_growth(hour, np.full(1440, 1e8), limit=50 * MB).verdict is Verdict.PASS


def test_growth_is_from_floor_to_floor_and_with_peak_to_the_top() -> None:
    teeth = 1e8 + 300 * MB * ((np.arange(1440) % 30) / 30)
    assert decide_growth(DAY_H, teeth, limit=50 * MB).verdict is Verdict.PASS
    assert decide_growth(DAY_H, teeth, limit=200 * MB, peak=True).verdict is Verdict.FAIL
    herd = np.where((DAY_H > 10) & (DAY_H < 11), 1e8 + 199 * MB, 1e8)
    assert decide_growth(DAY_H, herd, limit=200 * MB, peak=True).verdict is Verdict.PASS


@pytest.mark.parametrize("n", [0, 1])
def test_growth_takes_two_samples(n: int) -> None:
    assert decide_growth(DAY_H[:n], DAY_H[:n], limit=1).verdict is Verdict.INCONCLUSIVE


def test_growth_of_what_is_no_number_is_inconclusive() -> None:
    y = np.full(1440, 1e8)
    y[-1] = np.nan
    assert decide_growth(DAY_H, y, limit=1).verdict is Verdict.INCONCLUSIVE


@given(values=st.lists(st.floats(0, 1e9), min_size=1, max_size=50), limit=st.floats(0, 1e9))
def test_a_ceiling_holds_in_every_sample(values: list[float], limit: float) -> None:
    decided = decide_ceiling(np.array(values), limit=limit)
    assert decided.verdict is (Verdict.PASS if all(value <= limit for value in values) else Verdict.FAIL)
    assert decided.observed == max(values)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")]])
def test_a_ceiling_over_what_was_not_seen_is_inconclusive(values: list[float]) -> None:
    assert decide_ceiling(np.array(values), limit=5.0).verdict is Verdict.INCONCLUSIVE


def second_half(per_h: float, *, hours: float = 24, first_half_per_h: float = 0.0, seed: int = 0) -> Verdict:
    x = np.linspace(0, hours, 1440)
    noise = 0.5 * MB * default_rng(seed).normal(size=1440)
    y = 1e8 + noise + MB * (per_h * x + first_half_per_h * np.minimum(x, hours / 2))
    return decide_second_half(x, y, budget=5 * MB, wander=4 * MB).verdict


@pytest.mark.parametrize(
    ("per_h", "verdict"), [(0, "PASS"), (4, "PASS"), (5.1, "INCONCLUSIVE"), (6, "FAIL"), (50, "FAIL")]
)
def test_the_second_half_is_held_against_its_budget(per_h: float, verdict: str) -> None:
    assert [second_half(per_h, seed=seed).value for seed in range(20)] == [verdict] * 20


def test_what_grew_in_the_first_half_does_not_count() -> None:
    assert second_half(0, first_half_per_h=100) is Verdict.PASS
    assert second_half(100, first_half_per_h=-100) is Verdict.FAIL


@pytest.mark.parametrize(("per_h", "verdict"), [(0, "INCONCLUSIVE"), (5, "INCONCLUSIVE"), (100, "FAIL")])
def test_a_second_half_too_short_to_keep_a_budget_can_still_break_it(per_h: float, verdict: str) -> None:
    assert second_half(per_h, hours=1).value == verdict


def test_a_jump_at_the_end_of_the_second_half_does_not_pass() -> None:
    y = np.where(DAY_H > 23, 1e8 + 100 * MB, 1e8)
    assert decide_second_half(DAY_H, y, budget=5 * MB, wander=4 * MB).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("n", [0, 10, 60])
def test_a_second_half_of_few_samples_is_inconclusive(n: int) -> None:
    decided = decide_second_half(DAY_H[:n], np.full(n, 1e8), budget=5 * MB, wander=0.0)
    assert decided.verdict is Verdict.INCONCLUSIVE


def test_a_second_half_seen_in_few_places_is_inconclusive() -> None:
    x = np.sort(np.concatenate([np.linspace(0, 1e-9, 60), np.linspace(24, 24 + 1e-9, 60)]))
    x = np.concatenate([[-24.0], x])
    assert decide_second_half(x, np.full(len(x), 1e8), budget=5 * MB, wander=0.0).verdict is Verdict.INCONCLUSIVE
