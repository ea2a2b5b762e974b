"""Sets of keys against Python's own sets, and what they say when they are full."""

import random

from hypothesis import given
from hypothesis import strategies as st

from harness.history.keys import PREFIXES_MAX, KeySet, split

numbered = st.builds("{}-{}".format, st.sampled_from(["r", "run-7", ""]), st.integers(0, 2**50))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
odd = st.sampled_from(["r-", "r-007", "r-0", "-", "r--1", "r-\u0663", "r-1 ", "plain", f"r-{2**70}"]) | texts
keys = st.frozensets(numbered | odd, max_size=12)


@given(keys, keys, keys)
def test_it_holds_and_takes_away_as_a_set_does(
    some: frozenset[str], others: frozenset[str], more: frozenset[str]
) -> None:
    every = [KeySet([*group, *group]) for group in (some, others, more)]
    assert [set(each) for each in every] == [some, others, more]
    assert [len(each) for each in every] == [len(some), len(others), len(more)]
    assert set(every[0].minus(every[1], every[2])) == some - others - more
    assert every[0].minus(every[1]).tally().count == len(some - others)
    assert set(every[0]) == some, "taking away leaves it as it was"


@given(numbered | odd | texts)
def test_a_key_follows_from_its_prefix_and_number(key: str) -> None:
    prefix, number = split(key)
    assert key == (prefix if number is None else f"{prefix}-{number}")


def test_examples_come_in_the_order_of_their_numbers() -> None:
    assert str(KeySet([f"r-{n}" for n in (10, 9, 101, 8, 100, 7)]).tally()) == "r-7, r-8, r-9, r-10, r-100 and 1 more"


def test_a_full_set_says_so_and_takes_all_that_it_may_have_held() -> None:
    full = KeySet(["a", "b", "c", "a", "r-1"], others_max=2)
    assert (set(full), full.unkept) == ({"a", "b", "r-1"}, 1)
    # `c` and `d` may have been what it could not keep; of numbers it is sure.
    assert set(KeySet(["c", "d", "r-1", "r-2"]).minus(full)) == {"r-2"}


def test_prefixes_beyond_the_limit_are_not_kept_either() -> None:
    full = KeySet(f"p{n}-{n}" for n in range(PREFIXES_MAX + 3))
    assert (len(full), full.unkept) == (PREFIXES_MAX, 3)
    last = f"p{PREFIXES_MAX + 2}"
    assert set(KeySet([f"{last}-1", "p0-1"]).minus(full)) == {"p0-1"}


def test_a_hundred_times_the_keys_take_a_bit_each_and_no_text() -> None:
    rng = random.Random(7)

    def size_bytes(numbers: int) -> int:
        kept = KeySet(f"run-{n}" for n in range(numbers) if rng.random() < 0.2)
        return sum(len(each.serialize()) for each in kept.numbers.values()) + sum(map(len, kept.others))

    # A key of a run's takes 70 bytes as text.
    assert size_bytes(500_000) < 500_000 / 8 * 1.2
