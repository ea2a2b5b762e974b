"""What a screen can show is kept: no spike is lost, and silence is a break."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reports.page.thinning import keep, keep_together, outline

sizes = st.integers(0, 5000)


def _series(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.uniform(0.5, 1.5, n)), rng.normal(size=n)


@given(sizes, st.integers(0, 10_000), st.integers(1, 300))
def test_extremes_and_ends_survive_and_the_bound_holds(n: int, seed: int, buckets: int) -> None:
    t_s, values = _series(n, seed)
    kept = keep(t_s, values, buckets=buckets)
    assert len(kept) <= 2 * buckets + 2
    assert (np.diff(kept) > 0).all()
    if n:
        assert {0, n - 1} <= set(kept.tolist())
        assert values[kept].max() == values.max()
        assert values[kept].min() == values.min()


@given(st.integers(3000, 6000), st.integers(0, 10_000), st.data())
def test_a_spike_of_one_tick_survives_wherever_it_is(n: int, seed: int, data: st.DataObject) -> None:
    t_s, values = _series(n, seed)
    at = data.draw(st.integers(0, n - 1))
    values[at] = 100.0
    assert 100.0 in values[keep(t_s, values, buckets=100)]


def test_lines_drawn_on_top_of_each_other_share_their_points() -> None:
    t_s, low = _series(5000, 1)
    high = low.copy()
    low[1234], high[4321] = -99.0, 99.0
    kept = keep_together(t_s, [low, high], buckets=100)
    assert {1234, 4321} <= set(kept.tolist())


def test_a_silence_is_a_break_and_a_lonely_point_is_drawn() -> None:
    t_s = np.array([1.0, 2, 3, 50, 100, 101, 102])
    x, y = outline(t_s, np.arange(7.0))
    assert np.isnan(y).sum() == 2
    assert (x == 50).sum() == 3  # the break, and the dot as a line from itself to itself


@given(st.integers(2, 4000), st.integers(0, 1000))
def test_an_unbroken_series_stays_unbroken(n: int, seed: int) -> None:
    t_s, values = _series(n, seed)
    assert not np.isnan(outline(t_s, values)[1]).any()
