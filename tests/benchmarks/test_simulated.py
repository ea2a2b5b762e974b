"""The simulated gauges: of the right shape, the same for a seed, and leaks of the size they say."""

import numpy as np
import pytest
from numpy.random import default_rng

from benchmarks.simulated import DESCRIPTORS, FIRST, LEAKS, SECOND, UNEVEN, Kind, times_h

KINDS = {**FIRST, **SECOND, **DESCRIPTORS}
ALL_LEAKS: dict[str, Kind] = {**LEAKS, **UNEVEN}
T_H = times_h(1.0, 5.0)


def test_a_run_is_sampled_to_its_end() -> None:
    assert len(T_H) == 720
    assert (T_H[0], T_H[-1]) == (pytest.approx(5 / 3600), pytest.approx(1.0))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("hours", [1 / 30, 1.0, 24.0])
def test_a_gauge_is_numbers_and_its_seeds_alone(kind: Kind, hours: float) -> None:
    t_h = times_h(hours, max(1.0, hours * 2.5))
    gauge = kind(default_rng(7), t_h)
    assert gauge.shape == t_h.shape
    assert np.isfinite(gauge).all()
    assert np.array_equal(gauge, kind(default_rng(7), t_h))
    assert not np.array_equal(gauge, kind(default_rng(8), t_h))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_healthy_gauge_of_a_day_stays_within_a_service(kind: Kind) -> None:
    t_h = times_h(24.0, 60.0)
    for seed in range(10):
        assert np.ptp(kind(default_rng(seed), t_h)) < 200e6


@pytest.mark.parametrize("leak", ALL_LEAKS.values(), ids=ALL_LEAKS)
def test_a_leak_only_grows_and_is_of_one_byte_an_hour(leak: Kind) -> None:
    grown = leak(default_rng(7), T_H)
    assert np.all(np.diff(grown) >= 0)
    assert grown[-1] == pytest.approx(T_H[-1], rel=0.05)
