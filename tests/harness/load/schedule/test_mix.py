import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.schedule.mix import Mix

weights = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.floats(0, 100), min_size=1, max_size=5)
possible = weights.filter(lambda w: sum(w.values()) > 0.1)


def drawn(mix: Mix, seed: int, count: int) -> list[str]:
    return list(itertools.islice(mix.draw(seed), count))


@given(weights=possible, seed=st.integers(0, 2**64))
def test_a_seed_repeats_its_sequence(weights: dict[str, float], seed: int) -> None:
    assert drawn(Mix(weights), seed, 1500) == drawn(Mix(weights), seed, 1500)


@given(weights=possible, seed=st.integers(0, 1000))
def test_operations_come_in_the_proportions_of_their_weights(weights: dict[str, float], seed: int) -> None:
    count = 4000
    seen = Counter(drawn(Mix(weights), seed, count))
    for name, weight in weights.items():
        share = weight / sum(weights.values())
        # Six standard deviations of a binomial: no seed of ours is that unlucky.
        assert abs(seen[name] / count - share) <= 6 * (share * (1 - share) / count) ** 0.5 + 1 / count


def test_two_seeds_give_two_sequences() -> None:
    mix = Mix({"a": 1, "b": 1})
    assert drawn(mix, 1, 100) != drawn(mix, 2, 100)


def test_an_operation_without_weight_never_comes() -> None:
    assert set(drawn(Mix({"a": 0, "b": 1}), 7, 3000)) == {"b"}


@pytest.mark.parametrize("broken", [{}, {"a": 0.0}, {"a": 2.0, "b": -1.0}])
def test_a_mix_that_draws_nothing_is_refused(broken: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least one positive weight"):
        Mix(broken)
