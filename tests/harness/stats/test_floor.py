"""How the floor of a gauge grows: its blocks, its slope and what the interval covers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from harness.stats.floor import BLOCKS, MIN_BLOCKS, MIN_SAMPLES, lower_envelope, settle, trend

SERIES = 200


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1e9), min_size=MIN_SAMPLES, max_size=200))
def test_the_envelope_is_the_lowest_point_of_each_block(values: list[float]) -> None:
    # Midway between the borders, so that no rounding moves a point over one.
    x, y = np.arange(float(len(values) * 2 * BLOCKS))[BLOCKS :: 2 * BLOCKS], np.array(values)
    share = (x - x[0]) / (x[-1] - x[0])
    floor_x, floor_y = lower_envelope(x, y)
    assert len(floor_x) == BLOCKS
    assert np.all(np.diff(floor_x) > 0)
    block = np.searchsorted(np.arange(BLOCKS) / BLOCKS, share, side="right") - 1
    assert floor_y.tolist() == [float(y[block == n].min()) for n in range(BLOCKS)]
    assert all(y[x == at] == low for at, low in zip(floor_x, floor_y, strict=True))


def test_blocks_without_a_sample_are_left_out() -> None:
    x = np.linspace(0, 20, 201)
    kept = (x < 5) | (x > 9)
    floor_x, _ = lower_envelope(x[kept], x[kept])
    assert len(floor_x) == BLOCKS - 4
    assert not ((floor_x > 5) & (floor_x < 9)).any()


def test_growth_is_measured_from_where_it_settles() -> None:
    x = np.linspace(0, 20, BLOCKS)
    measured = settle(x, np.minimum(x * 50, 300.0) + x, wander=0.0)
    assert measured.settled
    assert measured.slope == pytest.approx(1.0)
    assert not settle(x, 100 * (1 - np.exp(-x / 10)), wander=0.0).settled


def test_a_straight_line_has_its_slope_and_next_to_no_doubt() -> None:
    x = np.linspace(0, 50, 16)
    slope, half_width = trend(x, 3.0 * x + 7)
    assert slope == pytest.approx(3.0)
    assert half_width == pytest.approx(0.0, abs=1e-9)


def test_the_interval_covers_the_slope_of_noise_without_memory() -> None:
    x = np.arange(16.0)
    covered = 0
    for seed in range(SERIES):
        slope, half_width = trend(x, 2.0 * x + default_rng(seed).normal(0, 5, 16))
        covered += abs(slope - 2.0) <= half_width
    # Nominally 95 %; winsorising and so few points cost some, as the source measured.
    assert covered / SERIES >= 0.85


def test_a_wave_is_in_more_doubt_than_steps_of_its_size() -> None:
    x = np.arange(16.0)
    wave = np.sin(2 * np.pi * x / 16)
    steps = np.concatenate([[0.0], np.cumsum(default_rng(7).permutation(np.diff(wave)))])
    assert trend(x, wave)[1] > 1.5 * trend(x, steps)[1]
    assert trend(x, wave, waves=False)[1] < trend(x, wave)[1]


def test_blocks_are_halved_no_further_than_it_takes() -> None:
    burst = np.concatenate([np.linspace(0, 10, 300), np.linspace(99.9, 100, 300)])
    floor_x, _ = lower_envelope(burst, burst)
    assert MIN_BLOCKS <= len(floor_x) < 2 * MIN_BLOCKS
