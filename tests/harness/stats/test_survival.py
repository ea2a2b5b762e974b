"""Kaplan and Meier's estimator, held against published and hand-made examples.

The first is Freireich's trial of 6-MP (Blood 21, 1963), in every textbook: 21
remissions in weeks, 12 of them censored, with ties, also of an end with a
censoring. `lifelines` 0.30 gives the same medians, intervals and restricted
means for the first and the second.
"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.recovery import Recovery
from harness.stats.survival import Quantile, Survival, kaplan_meier, summarise

FREIREICH = (
    [6.0, 6.0, 6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0],
    [6.0, 9.0, 10.0, 11.0, 17.0, 19.0, 20.0, 25.0, 32.0, 32.0, 34.0, 35.0],
)


def test_the_textbooks_example() -> None:
    seen = kaplan_meier(*FREIREICH)
    assert (seen.recoveries, seen.censored, seen.limit_s) == (21, 12, 35.0)
    assert seen.median == Quantile(23.0, 13.0, math.inf)
    assert seen.p90 == Quantile(math.inf, math.inf, math.inf)
    # The curve's steps, 6/7 at 6, then times 16/17, 14/15, 11/12, 10/11, 6/7 and 5/6.
    heights = [1.0, 0.857143, 0.806723, 0.752941, 0.690196, 0.627451, 0.537815, 0.448179]
    lengths = [6, 1, 3, 3, 3, 6, 1, 12]
    assert seen.mttr_s == pytest.approx(sum(h * length for h, length in zip(heights, lengths, strict=True)), abs=1e-4)


def test_ties_by_hand() -> None:
    # At 2: 9/10; 3: 8/9; the two at 4: 6/8; 5: 5/6; the two at 8, of five with the censored: 3/5; 12: 1/2.
    seen = kaplan_meier([3.0, 4.0, 4.0, 5.0, 8.0, 8.0, 2.0, 12.0], [8.0, 12.0])
    assert seen.median == Quantile(5.0, 2.0, 12.0)
    assert seen.mttr_s == pytest.approx(2 + 0.9 + 0.8 + 0.6 + 3 * 0.5 + 4 * 0.3)
    assert math.isinf(seen.p90.value_s)


def test_all_seen_to_their_end_have_their_plain_mean_and_median() -> None:
    seen = kaplan_meier([1.0, 2.0, 3.0, 10.0, 4.0], [])
    assert seen.median.value_s == 3.0
    assert seen.mttr_s == pytest.approx(4.0)
    assert seen.p90.value_s == 10.0
    assert seen.censored == 0


def test_none_seen_to_its_end_is_later_than_all_that_was_observed() -> None:
    seen = kaplan_meier([], [5.0, 7.0])
    assert math.isinf(seen.median.value_s)
    assert str(seen) == "mean >= 7.0 s (n=2, 2 censored), median > 7.0 s, p90 > 7.0 s"


def test_its_text_has_the_interval_and_the_limit() -> None:
    text = str(kaplan_meier(*FREIREICH))
    assert text == "mean >= 23.3 s (n=21, 12 censored), median 23.0 s (13.0 s to > 35.0 s), p90 > 35.0 s"


@pytest.mark.parametrize(("ended", "censored"), [([5.0], []), ([1.0, 1.0], [0.0]), ([2.0] * 8, []), ([0.0], [0.0])])
def test_few_or_equal_ones_are_told_without_a_warning(ended: list[float], censored: list[float]) -> None:
    seen = kaplan_meier(ended, censored)
    assert seen.median.value_s == ended[0]
    assert seen.median.lower_s <= seen.median.value_s <= seen.median.upper_s


def test_recoveries_are_summed_up_and_the_censored_kept_for_as_long_as_they_were_bad() -> None:
    seen = summarise([Recovery(2, 3, 20), Recovery(4, 5, 20), Recovery(9, None, 12)])
    assert isinstance(seen, Survival)
    assert (seen.recoveries, seen.censored, seen.limit_s) == (3, 1, 9)
    assert seen.mttr_s == pytest.approx((3 + 5 + 9) / 3)
    assert summarise([]) is None


durations = st.lists(st.integers(0, 40).map(float), max_size=25)


@given(ended=durations, censored=durations)
def test_an_estimate_lies_in_its_interval_and_the_mean_below_its_limit(
    ended: list[float], censored: list[float]
) -> None:
    if not [*ended, *censored]:
        return
    seen = kaplan_meier(ended, censored)
    for quantile in (seen.median, seen.p90):
        assert quantile.lower_s <= quantile.value_s <= quantile.upper_s
    assert seen.median.value_s <= seen.p90.value_s
    assert 0 <= seen.mttr_s <= seen.limit_s + 1e-9
    assert seen.recoveries == len(ended) + len(censored)


@given(ended=durations.filter(bool), censored=durations, which=st.integers(0, 24))
def test_one_that_was_not_seen_to_its_end_never_makes_recovery_look_quicker(
    ended: list[float], censored: list[float], which: int
) -> None:
    n = which % len(ended)
    all_seen = kaplan_meier(ended, censored)
    one_less = kaplan_meier(ended[:n] + ended[n + 1 :], [*censored, ended[n]])
    assert one_less.median.value_s >= all_seen.median.value_s
    assert one_less.mttr_s >= all_seen.mttr_s - 1e-9
