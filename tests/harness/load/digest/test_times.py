"""Sparse counts beside the library's own histogram, which is the oracle."""

import math

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from harness.load.digest.times import HIGHEST, LOWEST, Times, empty_histogram

micros = (
    st.integers(0, 400_000_000) | st.integers(0, 5000) | st.sampled_from([2**n + d for n in range(29) for d in (-1, 0)])
)
durations = st.lists(micros, max_size=60)


def of(values: list[int]) -> Times:
    return Times.of_ns([value * 1000 for value in values])


def library(values: list[int]) -> HdrHistogram:
    histogram = empty_histogram()
    for value in values:
        histogram.record_value(min(max(value, LOWEST), HIGHEST))
    return histogram


@given(durations)
def test_it_is_the_library_s_histogram(values: list[int]) -> None:
    assert of(values).histogram().equals(library(values))
    assert of(values).total == len(values)


@given(values=st.lists(micros, min_size=1, max_size=60), quantile=st.floats(0.001, 1))
def test_quantiles_are_the_library_s(values: list[int], quantile: float) -> None:
    # At 0 the library gives the lower end of the lowest cell, and everywhere else the upper one.
    expected = library(values).get_value_at_percentile(quantile * 100)
    assert of(values).quantile_s(quantile) == pytest.approx(expected * 1e-6, rel=1e-12)


@given(st.lists(durations, max_size=5))
def test_a_sum_is_that_of_all_values_together(parts: list[list[int]]) -> None:
    together = of([value for part in parts for value in part])
    total = Times.sum(of(part) for part in parts)
    assert total.cells.tolist() == together.cells.tolist()
    assert total.counts.tolist() == together.counts.tolist()


def test_nothing_has_no_quantile() -> None:
    assert Times.sum(()).total == 0
    assert math.isnan(Times.of_ns([]).quantile_s(0.5))
    assert math.isnan(Times.of_ns([]).quantile_s(1.0))


def test_three_digits_are_kept() -> None:
    for value in (1, 999, 1234, 56_789, 1_234_567, 299_999_999):
        assert of([value]).quantile_s(1.0) == pytest.approx(value * 1e-6, rel=1e-3)
