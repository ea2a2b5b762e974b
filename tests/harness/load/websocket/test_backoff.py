from __future__ import annotations

import random
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.websocket.backoff import delays_s


@given(st.floats(0.001, 1.0), st.floats(1.0, 100.0), st.integers(0, 2**32), st.integers(1, 200))
def test_delays_stay_below_the_doubling_ceiling(base_s: float, cap_s: float, seed: int, attempts: int) -> None:
    drawn = list(islice(delays_s(base_s=base_s, cap_s=cap_s, rng=random.Random(seed)), attempts))
    assert all(0 <= delay_s <= min(cap_s, base_s * 2.0**n) for n, delay_s in enumerate(drawn))


def test_the_jitter_is_full() -> None:
    firsts = [next(delays_s(base_s=1.0, cap_s=1.0, rng=random.Random(seed))) for seed in range(1000)]
    tenths = [sum(n / 10 <= first < (n + 1) / 10 for first in firsts) for n in range(10)]
    assert min(tenths) > 50


def test_an_outage_of_days_still_draws() -> None:
    assert all(0 <= delay_s <= 5 for delay_s in islice(delays_s(base_s=0.1, cap_s=5, rng=random.Random(1)), 5000))


def test_a_seed_repeats_its_delays_and_another_spreads_them() -> None:
    def drawn(seed: int) -> list[float]:
        return list(islice(delays_s(base_s=0.1, cap_s=5.0, rng=random.Random(seed)), 10))

    assert drawn(1) == drawn(1)
    assert not set(drawn(1)) & set(drawn(2))


@pytest.mark.parametrize(("base_s", "cap_s"), [(2.0, 1.0), (0.0, 1.0), (-1.0, 1.0)])
def test_a_wrong_range_is_refused_at_once(base_s: float, cap_s: float) -> None:
    with pytest.raises(ValueError, match="0 < base_s <= cap_s"):
        delays_s(base_s=base_s, cap_s=cap_s, rng=random.Random(1))
