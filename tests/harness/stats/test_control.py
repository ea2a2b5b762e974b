"""What load adds to a gauge's growth: the same gauge without load and with it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng
from numpy.typing import NDArray

from harness.stats.control import Excess, decide_excess
from harness.verdict import Verdict

Floats = NDArray[np.float64]
MB = 1e6
BUDGET, WANDER = 10 * MB, 4 * MB


def stretch(per_h: float, *, hours: float = 6.0, n: int = 720, seed: int = 0) -> tuple[Floats, Floats]:
    x = np.linspace(0, hours, n)
    return x, 1e8 + per_h * MB * x + 0.5 * MB * default_rng(seed).normal(size=n)


def decide(idle: float, loaded: float, *, hours: float = 6.0, seed: int = 0) -> Excess:
    before = stretch(idle, hours=hours, seed=seed)
    return decide_excess(before, stretch(loaded, hours=hours, seed=seed + 1000), budget=BUDGET, wander=WANDER)


@pytest.mark.parametrize(
    ("idle", "loaded", "verdict"),
    # With 30 MB/h either way, the leak is not the load's.
    [(0, 0, "PASS"), (0, 3, "PASS"), (30, 30, "PASS"), (0, 20, "FAIL"), (30, 60, "FAIL"), (20, 0, "PASS")],
)
def test_what_load_adds_is_held_against_the_budget(idle: float, loaded: float, verdict: str) -> None:
    assert [decide(idle, loaded, seed=seed).verdict.value for seed in range(20)] == [verdict] * 20


def test_short_stretches_cannot_tell() -> None:
    excess = decide(0, 20, hours=0.2)
    assert excess.verdict is Verdict.INCONCLUSIVE
    assert excess.half_width > BUDGET


def test_a_cache_that_fills_under_load_is_no_leak_yet() -> None:
    x, y = stretch(0)
    filling = y + 500 * MB * (1 - np.exp(-x / 3))
    excess = decide_excess((x, y), (x, filling), budget=BUDGET, wander=WANDER)
    assert excess.verdict is Verdict.INCONCLUSIVE
    assert "under load has not settled" in excess.reason


@pytest.mark.parametrize(("few", "name"), [(0, "without load"), (1, "under load")])
def test_too_few_samples_of_either_are_inconclusive(few: int, name: str) -> None:
    stretches = [stretch(0), stretch(0)]
    stretches[few] = stretch(0, n=20)
    excess = decide_excess(stretches[0], stretches[1], budget=BUDGET, wander=WANDER)
    assert (excess.verdict, excess.reason) == (Verdict.INCONCLUSIVE, f"too few samples {name}")


@given(idle=st.floats(-20, 20), loaded=st.floats(-20, 20), seed=st.integers(0, 50))
def test_the_excess_is_the_difference_with_both_doubts(idle: float, loaded: float, seed: int) -> None:
    excess = decide(idle, loaded, seed=seed)
    assert excess.slope == pytest.approx(excess.loaded - excess.idle)
    assert excess.slope == pytest.approx((loaded - idle) * MB, abs=excess.half_width)
    # Each has a wander over its stretch of doubt.
    assert excess.half_width >= np.hypot(1, 1) * WANDER / 6


@given(common=st.floats(-50, 50))
def test_what_both_have_does_not_matter(common: float) -> None:
    ours, alone = decide(common, common + 5), decide(0, 5)
    assert ours.slope == pytest.approx(alone.slope, abs=0.3 * alone.half_width)
