"""The leak procedure on simulated gauges of short runs: 70-100 samples over some 20 000 requests."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from harness.stats.floor import BLOCKS, MIN_BLOCKS, MIN_SAMPLES, lower_envelope
from harness.stats.leak import FAIL, WARN, Leak, decide_leak, leak_score, needed
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
    assert leak.verdict is Verdict.FAIL
    assert "every third" in leak.reason
    # Less than what healthy processes wander is no ratchet.
    assert decide(x, 1e8 + 3 * ONE_MB * ((n >= 21).astype(float) + (n >= 53))).verdict is Verdict.PASS


@pytest.mark.parametrize("lasts", [0.3, 0.4, 0.5, 0.7])
def test_a_big_cache_that_still_fills_is_not_called_a_leak_nor_well(lasts: float) -> None:
    x = np.linspace(0, REQUESTS, 100)
    leak = decide(x, 1e8 + 200 * ONE_MB * (1 - np.exp(-np.arange(100) / (100 * lasts))))
    assert leak.verdict is Verdict.INCONCLUSIVE
    assert "not settled" in leak.reason
    assert leak.slope >= 0.75 * BUDGET


def test_growth_within_what_the_run_cannot_tell_is_not_called_a_leak() -> None:
    x = np.linspace(0, 1_000, 100)
    leak = decide(x, 1e8 + 2 * BUDGET * x)
    assert leak.verdict is Verdict.INCONCLUSIVE
    assert "not settled" not in leak.reason


def test_growth_below_the_budget_passes_and_says_how_much() -> None:
    x = np.linspace(0, 1e6, 100)
    leak = decide(x, 1e8 + 100.0 * x)
    assert leak.verdict is Verdict.PASS
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


def rolled_up(x: Floats, y: Floats, *, until: int, each: int) -> tuple[Floats, Floats]:
    """Return a run whose first `until` samples are cells of `each`: their last moment and their low."""
    cells = y[:until].reshape(-1, each)
    return np.concatenate([x[each - 1 : until : each], x[until:]]), np.concatenate([cells.min(axis=1), y[until:]])


@pytest.mark.parametrize("leak_per_h", [0.0, 1e6, 5e6, 20e6])
@pytest.mark.parametrize("gauge", HEALTHY)
def test_a_run_whose_older_part_was_rolled_up_is_judged_as_it_was(gauge: Gauge, leak_per_h: float) -> None:
    n, until = 12 * 720, 11 * 720
    x = np.arange(1, n + 1) / 720
    alike = 0
    for seed in range(20):
        y = 1e8 + gauge(default_rng(seed), n) + leak_per_h * x
        whole = decide_leak(x, y, budget=5e6, wander=WANDER)
        rolled = decide_leak(*rolled_up(x, y, until=until, each=12), budget=5e6, wander=WANDER)
        assert {whole.verdict, rolled.verdict} != {Verdict.PASS, Verdict.FAIL}
        # A cell's low is told at its end, so that a point of the floor may be later by one.
        alike += rolled.verdict is whole.verdict and abs(rolled.slope - whole.slope) < 0.1 * whole.half_width
    assert alike >= 19


@pytest.mark.parametrize(("leak", "verdict"), [(0.0, Verdict.PASS), (4 * BUDGET, Verdict.FAIL)])
def test_a_run_with_a_hole_where_a_fault_was_is_judged_by_the_rest(leak: float, verdict: Verdict) -> None:
    decided = []
    for seed in range(SERIES // 4):
        x, y = series(noise, seed)
        kept = np.ones(len(x), dtype=bool)
        kept[20:45] = False
        decided.append(decide(x[kept], (y + leak * x)[kept]))
    assert share(verdict, decided) >= 0.9


def test_a_burst_that_is_most_of_the_requests_does_not_hide_the_rest() -> None:
    x = np.cumsum(np.where(np.abs(np.arange(100) - 50) < 2, 20_000.0, 100.0))
    floor_x, _ = lower_envelope(x, np.zeros(100))
    assert len(floor_x) >= MIN_BLOCKS
    assert decide(x, 1e8 + 4 * BUDGET * x).verdict is Verdict.FAIL
    assert decide(x, np.full(100, 1e8)).verdict is Verdict.PASS


def test_samples_in_too_few_places_are_inconclusive() -> None:
    x = np.repeat(np.arange(MIN_BLOCKS - 1.0), 10)
    leak = decide(x * 1e4, x * 1e9)
    assert leak.verdict is Verdict.INCONCLUSIVE
    assert leak.reason == f"samples in {MIN_BLOCKS - 1} parts of the run, {MIN_BLOCKS} needed"


def test_a_leak_that_an_ebb_hides_does_not_pass() -> None:
    hours = np.linspace(0, 24, 1440)
    decided = []
    for seed in range(SERIES):
        rng = default_rng(seed)
        tide = rng.uniform(8, 15) * ONE_MB * np.sin(2 * np.pi * (hours / 24 + rng.uniform()))
        y = 1e8 + tide + 2e5 * rng.normal(size=len(hours)) + 10e6 * hours
        decided.append(decide_leak(hours, y, budget=10e6, wander=WANDER))
    assert share(Verdict.PASS, decided) <= 0.02
    assert share(Verdict.FAIL, decided) >= 0.8


@pytest.mark.parametrize(("rise", "verdict"), [(5 * ONE_MB, Verdict.INCONCLUSIVE), (10 * ONE_MB, Verdict.FAIL)])
def test_a_floor_that_rises_in_every_third_is_a_leak_only_where_the_budget_forbids_it(
    rise: float, verdict: Verdict
) -> None:
    # Too wild to tell a slope, but for one calm block in each third.
    blocks = np.arange(100) // 5
    wild = default_rng(7).uniform(0, 200, BLOCKS)[blocks] * ONE_MB
    wild[np.isin(blocks, [6, 12, 17])] = 0
    y: Floats = (1e8 + wild + rise * np.digitize(blocks, [10, 15])).astype(np.float64)
    assert decide(np.linspace(0, REQUESTS, 100), y).verdict is verdict


def test_a_jump_at_the_end_does_not_pass() -> None:
    x, n = np.linspace(0, REQUESTS, 100), np.arange(100)
    leak = decide(x, 1e8 + 60 * ONE_MB * (n >= 92).astype(float))
    assert leak.slope < BUDGET
    assert leak.verdict is Verdict.INCONCLUSIVE
    assert leak.growth == pytest.approx(60 * ONE_MB)


def test_what_is_no_number_does_not_pass() -> None:
    x = np.linspace(0, 1e6, 100)
    leak = decide(x, np.where(np.arange(100) == 70, np.nan, 1e8))
    assert leak.verdict is Verdict.INCONCLUSIVE
    assert np.isnan(leak.score)


@pytest.mark.parametrize(("budget", "wander"), [(0.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (float("nan"), 1.0)])
def test_a_budget_of_nothing_is_refused(budget: float, wander: float) -> None:
    with pytest.raises(ValueError, match="must be more than 0"):
        decide_leak(np.arange(100.0), np.arange(100.0), budget=budget, wander=wander)


SLOPES = st.floats(-1e3, 1e3)
WIDTHS = st.floats(0, 1e3)
BUDGETS = st.floats(1e-3, 1e3)


@given(slope=SLOPES, half_width=WIDTHS, budget=BUDGETS)
def test_a_score_says_what_the_verdict_does(slope: float, half_width: float, budget: float) -> None:
    assert FAIL <= leak_score(Verdict.FAIL, slope, half_width, budget) <= 1
    undecided = leak_score(Verdict.INCONCLUSIVE, slope, half_width, budget)
    assert 0 <= undecided < FAIL
    # A warning is growth that is at the budget at least and more likely than not.
    assert (undecided >= WARN) == (slope >= max(budget, half_width / 2))
    if slope + half_width < budget:
        assert 0 <= leak_score(Verdict.PASS, slope, half_width, budget) < WARN


@given(
    half_width=WIDTHS,
    budget=BUDGETS,
    slopes=st.lists(SLOPES, min_size=2, max_size=2),
    verdict=st.sampled_from([*Verdict]),
)
def test_a_score_never_falls_as_growth_rises(
    half_width: float, budget: float, slopes: list[float], verdict: Verdict
) -> None:
    low, high = sorted(slopes)
    assert leak_score(verdict, low, half_width, budget) <= leak_score(verdict, high, half_width, budget)


@given(half_width=WIDTHS, budget=BUDGETS, slope=SLOPES, verdict=st.sampled_from([*Verdict]))
def test_a_score_has_no_jumps(half_width: float, budget: float, slope: float, verdict: Verdict) -> None:
    near = slope + 1e-6 * budget
    apart = leak_score(verdict, near, half_width, budget) - leak_score(verdict, slope, half_width, budget)
    assert abs(apart) <= 1e-5


@settings(max_examples=100)
@given(seed=st.integers(0, 10_000), gauge=st.sampled_from(HEALTHY), leak=st.floats(0, 5 * BUDGET))
def test_a_decided_gauge_has_the_score_of_its_verdict(seed: int, gauge: Gauge, leak: float) -> None:
    x, y = series(gauge, seed)
    decided = decide(x, y + leak * x)
    assert (decided.score >= FAIL) == (decided.verdict is Verdict.FAIL)
    assert decided.score < WARN or decided.verdict is not Verdict.PASS


def test_what_was_not_measured_has_no_score() -> None:
    assert np.isnan(decide(np.arange(10.0), np.arange(10.0)).score)


def test_a_big_cache_that_still_fills_is_a_warning() -> None:
    x = np.linspace(0, REQUESTS, 100)
    leak = decide(x, 1e8 + 200 * ONE_MB * (1 - np.exp(-np.arange(100) / 40)))
    assert WARN <= leak.score < FAIL


def test_noise_of_a_run_too_short_is_no_warning() -> None:
    x = np.linspace(0, 1_000, 100)
    leak = decide(x, 1e8 + 1.5 * BUDGET * x)
    assert (leak.verdict, leak.score < WARN) == (Verdict.INCONCLUSIVE, True)


def test_what_a_run_needs_is_where_the_budget_can_be_seen() -> None:
    # facts: 10 MB/h on the RSS of a quiet service take 1.25 h at least, 1024 B a request some 12 000 of them.
    assert needed(10e6, 4e6) == pytest.approx(1.25)
    assert needed(1024, 4e6) == pytest.approx(12_207, rel=0.001)


@pytest.mark.parametrize("gauge", HEALTHY)
def test_a_run_as_long_as_needed_sees_the_budget(gauge: Gauge) -> None:
    seen = 0
    for seed in range(SERIES):
        x, y = series(gauge, seed)
        short = decide_leak(x / 4, y, budget=BUDGET, wander=WANDER)
        longer = short.needed(BUDGET) / (x[-1] / 4)
        seen += decide_leak(x / 4 * longer, y, budget=BUDGET, wander=WANDER).detectable <= 1.3 * BUDGET
    assert seen / SERIES >= 0.9
