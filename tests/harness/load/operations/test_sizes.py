from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.operations.sizes import BOUNDS_BYTES, SizeClass, size_bytes, text

numbers = st.integers(0, 2**53)


@given(size=st.sampled_from(SizeClass), number=numbers)
def test_a_size_is_within_its_class_and_repeats(size: SizeClass, number: int) -> None:
    least, most = BOUNDS_BYTES[size]
    assert least <= size_bytes(size, number) <= most
    assert size_bytes(size, number) == size_bytes(size, number)


def test_classes_join_and_huge_is_above_ten_million() -> None:
    bounds = [BOUNDS_BYTES[size] for size in SizeClass]
    assert all(one[1] <= other[0] for one, other in pairwise(bounds))
    assert bounds[-1][0] > 10e6


@pytest.mark.parametrize("size", SizeClass)
def test_a_class_is_used_over_all_its_width(size: SizeClass) -> None:
    least, most = BOUNDS_BYTES[size]
    middle = (least * most) ** 0.5
    below = Counter(size_bytes(size, number) < middle for number in range(400))
    assert 120 < below[True] < 280


@pytest.mark.parametrize("size", SizeClass)
def test_a_text_has_its_size_and_is_its_own(size: SizeClass) -> None:
    texts = [text(size, number) for number in range(20)]
    assert [len(one) for one in texts] == [size_bytes(size, number) for number in range(20)]
    assert all(one.isascii() for one in texts)
    assert len(set(texts)) == 20
