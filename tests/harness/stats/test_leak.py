"""The leak procedure on simulated gauges of short runs: 70-100 samples over some 20 000 requests."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from harness.stats.leak import BLOCKS, MIN_SAMPLES, Leak, decide_leak, lower_envelope, trend
from harness.verdict import Verdict

Floats = NDArray[np.float64]
Gauge = Callable[[Generator, int], Floats]

BUDGET, WANDER, REQUESTS = 2048.0, 4e6, 20_000
SERIES = 200
ONE_MB = 1e6


def noise(rng: Generator, n: int) -> Floats:
    """Return noise that remembers: an AR(1) process of some 30 kB to 2 MB, with a memory of 1 to 20 samples."""
    keep = np.exp(-1 / rng.uniform(1, 20))
    level = rng.normal()
    levels = []
    for shock in rng.normal(0, np.sqrt(1 - keep**2), n):
        level = keep * level + shock
        levels.append(level)
    return np.array(levels) * 10 ** rng.uniform(4.5, 6.3)


def sawtooth(rng: Generator, n: int) -> Floats:
    """Return a garbage collector's teeth, 1 to 20 MB high and up to a quarter of the run long."""
    teeth = (np.arange(n) / rng.uniform(3, n / 4) + rng.uniform()) % 1
    return teeth * 10 ** rng.uniform(6, 7.3) + 0.3 * noise(rng, n)


def settling(rng: Generator, n: int) -> Floats:
    """Return a cache that fills, up to 20 MB, within the first third of the run."""
    filled = 1 - np.exp(-np.arange(n) / (n * rng.uniform(0.03, 0.12)))
    return rng.uniform(2, 20) * ONE_MB * filled + 0.5 * noise(rng, n)


def steps(rng: Generator, n: int) -> Floats:
    """Return buffers that come and go, up to 15 MB each."""
    level = np.zeros(n)
    for _ in range(rng.integers(1, 4)):
        begin, length = rng.integers(0, n), rng.integers(3, n // 3)
        level[begin : begin + length] += rng.uniform(1, 15) * ONE_MB
    return level + 0.5 * noise(rng, n)


HEALTHY = [noise, sawtooth, settling, steps]


def series(gauge: Gauge, seed: int) -> tuple[Floats, Floats]:
    """Return one healthy run: cumulative requests and bytes, both of shape (n,)."""
    rng = default_rng(seed)
    n = int(rng.integers(70, 101))
    return np.cumsum(rng.poisson(REQUESTS / n, n)).astype(np.float64), 1e8 + gauge(rng, n)


def decide(x: Floats, y: Floats) -> Leak:
    return decide_leak(x, y, budget=BUDGET, wander=WANDER)


def share(verdict: Verdict, decided: list[Leak]) -> float:
    return Counter(leak.verdict for leak in decided)[verdict] / len(decided)


@pytest.mark.parametrize("gauge", HEALTHY)
def test_a_healthy_gauge_is_not_called_a_leak(gauge: Gauge) -> None:
    assert share(Verdict.FAIL, [decide(*series(gauge, seed)) for seed in range(SERIES)]) <= 0.02


@pytest.mark.parametrize("gauge", [noise, sawtooth, settling])
def test_a_healthy_gauge_is_decided_at_all(gauge: Gauge) -> None:
    assert share(Verdict.PASS, [decide(*series(gauge, seed)) for seed in range(SERIES)]) >= 0.9


@pytest.mark.parametrize("gauge", HEALTHY)
def test_four_times_the_budget_is_called_a_leak(gauge: Gauge) -> None:
    decided = []
    for seed in range(SERIES):
        x, y = series(gauge, seed)
        decided.append(decide(x, y + 4 * BUDGET * x))
    assert share(Verdict.FAIL, decided) >= 0.98


@pytest.mark.parametrize("gauge", HEALTHY)
def test_a_leak_that_the_run_said_it_could_show_does_not_pass(gauge: Gauge) -> None:
    decided = []
    for seed in range(SERIES):
        x, y = series(gauge, seed)
        decided.append(decide(x, y + max(BUDGET, decide(x, y).detectable) * x))
    assert share(Verdict.PASS, decided) <= 0.03


def test_a_leak_in_steps_is_found_by_its_floor() -> None:
    decided = []
    for seed in range(SERIES):
        x, y = series(noise, seed)
        # An arena of 16 MB every so many requests: 8 KiB a request in the long run.
        decided.append(decide(x, y + np.floor(8192 * x / 16e6) * 16e6))
    assert share(Verdict.FAIL, decided) >= 0.9
    assert share(Verdict.PASS, decided) == 0


def test_a_floor_that_rises_in_every_third_is_a_leak_whatever_the_slope_between() -> None:
    x, n = np.linspace(0, REQUESTS, 100), np.arange(100)
    leak = decide(x, 1e8 + 40 * ONE_MB * ((n >= 21).astype(float) + (n >= 53)))
    assert (leak.verdict, leak.reason) == (Verdict.FAIL, "the floor rises in every third")
    # Less than what healthy processes wander is no ratchet.
    assert decide(x, 1e8 + 3 * ONE_MB * ((n >= 21).astype(float) + (n >= 53))).verdict is Verdict.PASS


@pytest.mark.parametrize("lasts", [0.3, 0.4, 0.5, 0.7])
def test_a_big_cache_that_still_fills_is_not_called_a_leak_nor_well(lasts: float) -> None:
    x = np.linspace(0, REQUESTS, 100)
    leak = decide(x, 1e8 + 200 * ONE_MB * (1 - np.exp(-np.arange(100) / (100 * lasts))))
    assert (leak.verdict, leak.reason) == (Verdict.INCONCLUSIVE, "growth has not settled")
    assert leak.slope >= 0.75 * BUDGET


def test_growth_within_what_the_run_cannot_tell_is_not_called_a_leak() -> None:
    x = np.linspace(0, 1_000, 100)
    leak = decide(x, 1e8 + 2 * BUDGET * x)
    assert (leak.verdict, leak.reason) == (Verdict.INCONCLUSIVE, "this run cannot tell")


def test_growth_below_the_budget_passes_and_says_how_much() -> None:
    x = np.linspace(0, 1e6, 100)
    leak = decide(x, 1e8 + 100.0 * x)
    assert (leak.verdict, leak.reason) == (Verdict.PASS, "growth is below the budget")
    assert leak.slope == pytest.approx(100.0)


def test_a_run_too_short_for_the_wander_cannot_tell() -> None:
    x = np.linspace(0, 1_000, 100)
    leak = decide(x, np.full(100, 1e8))
    assert leak.verdict is Verdict.INCONCLUSIVE
    assert leak.detectable > 2.5 * WANDER / 1_000


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.array([]), np.array([])),
        (np.arange(MIN_SAMPLES - 1.0), np.arange(MIN_SAMPLES - 1.0) * 1e9),
        (np.zeros(100), np.arange(100) * 1e9),
    ],
    ids=["empty", "too few", "no load"],
)
def test_too_little_to_see_is_inconclusive(x: Floats, y: Floats) -> None:
    leak = decide(x, y)
    assert leak.verdict is Verdict.INCONCLUSIVE
    assert leak.detectable == float("inf")


@settings(max_examples=50)
@given(
    seed=st.integers(0, 10_000),
    gauge=st.sampled_from(HEALTHY),
    k=st.floats(1e-6, 1e6),
    leak=st.sampled_from([0.0, 8e3]),
)
def test_the_unit_of_the_gauge_does_not_matter(seed: int, gauge: Gauge, k: float, leak: float) -> None:
    x, y = series(gauge, seed)
    y = y + leak * x
    ours, scaled = decide(x, y), decide_leak(x, k * y, budget=k * BUDGET, wander=k * WANDER)
    assert scaled.verdict is ours.verdict
    assert scaled.slope == pytest.approx(k * ours.slope, rel=1e-6, abs=k * 1e-3)
    assert scaled.half_width == pytest.approx(k * ours.half_width, rel=1e-6)


@given(seed=st.integers(0, 10_000), gauge=st.sampled_from(HEALTHY), offset=st.floats(-1e8, 1e9))
def test_where_the_gauge_stands_does_not_matter(seed: int, gauge: Gauge, offset: float) -> None:
    x, y = series(gauge, seed)
    assert decide(x, y + offset).slope == pytest.approx(decide(x, y).slope, rel=1e-6, abs=1e-3)


@given(st.lists(st.floats(0, 1e9), min_size=BLOCKS, max_size=200))
def test_the_envelope_is_the_lowest_point_of_each_block(values: list[float]) -> None:
    x, y = np.arange(float(len(values))), np.array(values)
    floor_x, floor_y = lower_envelope(x, y)
    blocks = np.array_split(y, BLOCKS)
    assert floor_y.tolist() == [float(block.min()) for block in blocks]
    assert all(y[int(t)] == low for t, low in zip(floor_x, floor_y, strict=True))
    assert np.all(np.diff(floor_x) > 0)


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
