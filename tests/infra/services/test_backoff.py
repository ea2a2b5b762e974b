from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.services.backoff import Backoff

bases = st.floats(0.001, 1.0)


@given(bases, st.floats(1.0, 100.0), st.integers(1, 200))
def test_without_jitter_it_doubles_up_to_the_cap(base_s: float, cap_s: float, attempts: int) -> None:
    backoff = Backoff(base_s=base_s, cap_s=cap_s, jitter=False)
    delays = [backoff.next_s() for _ in range(attempts)]
    assert delays[0] == base_s
    assert all(later == min(cap_s, 2 * earlier) for earlier, later in pairwise(delays))


@given(bases, st.floats(1.0, 100.0), st.integers(0, 2**32), st.integers(1, 200))
def test_jitter_draws_below_the_same_delays(base_s: float, cap_s: float, seed: int, attempts: int) -> None:
    full = Backoff(base_s=base_s, cap_s=cap_s, jitter=False)
    backoff = Backoff(base_s=base_s, cap_s=cap_s, rng=random.Random(seed))
    assert all(0 <= backoff.next_s() <= full.next_s() for _ in range(attempts))


def test_a_seed_repeats_its_delays_and_another_spreads_them() -> None:
    def delays(seed: int) -> list[float]:
        backoff = Backoff(rng=random.Random(seed))
        return [backoff.next_s() for _ in range(10)]

    assert delays(1) == delays(1)
    assert not set(delays(1)) & set(delays(2))


def test_reset_begins_again_from_the_base() -> None:
    backoff = Backoff(base_s=1.0, cap_s=100.0, jitter=False)
    assert [backoff.next_s() for _ in range(3)] == [1.0, 2.0, 4.0]
    backoff.reset()
    assert backoff.next_s() == 1.0


def test_a_cap_below_the_base_is_refused() -> None:
    with pytest.raises(ValueError, match="0 < base_s <= cap_s"):
        Backoff(base_s=2.0, cap_s=1.0)
