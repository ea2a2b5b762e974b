from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.websocket.sequence import Heard, Sequence, Step, gap_label, resume

starts = st.integers(0, 1000)


def hear(sequence: Sequence, numbers: list[int]) -> tuple[Counter[Heard], int]:
    steps = [sequence.take(number) for number in numbers]
    return Counter(step.heard for step in steps), sum(step.missed for step in steps)


@given(starts, st.lists(st.integers(-5, 60), max_size=80))
def test_every_number_is_got_missed_or_got_again(start: int, offsets: list[int]) -> None:
    numbers = [start + offset for offset in offsets]
    sequence = Sequence(start)
    heard, missed = hear(sequence, numbers)
    top = max([start, *numbers])
    records = {n for i, n in enumerate(numbers) if n > max([start, *numbers[:i]])}
    assert heard[Heard.FRESH] == len(records)
    assert heard[Heard.FRESH] + missed == top - start
    assert heard[Heard.FRESH] + heard[Heard.LATE] + heard[Heard.DUPLICATE] == len(numbers)
    assert sequence.last == top


@given(starts, st.lists(st.integers(-2, 14), max_size=20))
def test_what_comes_behind_a_later_one_is_late_once_and_a_duplicate_from_then_on(
    start: int, offsets: list[int]
) -> None:
    numbers = [start + offset for offset in offsets]
    firsts = {n: i for i, n in reversed(list(enumerate(numbers))) if n > start}
    late = {n for n, i in firsts.items() if n < max(numbers[: i + 1])}
    heard, missed = hear(Sequence(start), numbers)
    assert heard[Heard.LATE] == len(late) <= missed
    assert heard[Heard.DUPLICATE] == len(numbers) - len(firsts)


def test_of_very_many_stretches_the_oldest_are_forgotten_and_count_as_duplicates() -> None:
    sequence = Sequence(0)
    hear(sequence, list(range(2, 2000, 2)))
    assert [sequence.take(n).heard for n in (1, 1999 - 2)] == [Heard.DUPLICATE, Heard.LATE]


@given(starts, st.integers(0, 50), st.data())
def test_a_rotation_gets_every_number_once(start: int, count: int, data: st.DataObject) -> None:
    """The old connection hears all, the new one all from wherever its server was; both in any interleaving."""
    numbers = list(range(start + 1, start + count + 1))
    before = data.draw(st.integers(0, count))
    old = Sequence(start)
    got = [n for n in numbers[:before] if old.take(n).heard is Heard.FRESH]
    reached = data.draw(st.integers(start, start + count))
    new = old.hand_over(reached)
    lines = {0: numbers[before:], 1: [n for n in numbers if n > reached]}
    turns = data.draw(st.permutations([0] * len(lines[0]) + [1] * len(lines[1])))
    for turn in turns:
        number = lines[turn].pop(0)
        heard, missed = (old, new)[turn].take(number)
        assert missed == 0
        assert heard is not Heard.DUPLICATE
        got += [number] if heard is Heard.FRESH else []
    assert sorted(got) == numbers
    assert old.lacking == 0
    assert new.last == start + count


@given(starts, st.integers(0, 20), st.integers(0, 20))
def test_an_old_connection_that_dies_too_soon_lacks_the_rest(start: int, heard: int, ahead: int) -> None:
    old = Sequence(start)
    hear(old, list(range(start + 1, start + heard + 1)))
    new = old.hand_over(start + heard + ahead)
    assert old.lacking == ahead
    assert new.take(start + heard + ahead + 1) == Step(Heard.FRESH, 0)


@given(starts, st.integers(0, 100))
def test_a_drop_misses_what_was_numbered_meanwhile(last: int, meanwhile: int) -> None:
    sequence, missed = resume(last, last + meanwhile)
    assert missed == meanwhile
    assert sequence.take(last + meanwhile + 1) == Step(Heard.FRESH, 0)


@given(starts, st.integers(1, 20), st.integers(0, 20))
def test_a_told_gap_and_a_found_one_count_the_same(start: int, gap: int, told: int) -> None:
    sequence = Sequence(start)
    missed = sequence.skip(start + min(told, gap))
    missed += sequence.skip(start + min(told, gap))
    missed += sequence.take(start + gap + 1).missed
    assert missed == gap


def test_the_first_subscription_misses_nothing() -> None:
    sequence, missed = resume(None, 17)
    assert (sequence.last, missed) == (17, 0)


def test_a_count_that_went_back_is_a_loss_that_nobody_can_tell() -> None:
    sequence, missed = resume(40, 3)
    assert missed is None
    assert sequence.take(4) == Step(Heard.FRESH, 0)


def test_after_a_lost_count_any_number_goes_on() -> None:
    sequence = Sequence(40)
    assert sequence.forget()
    assert sequence.last is None
    assert sequence.skip(9) == 0
    assert sequence.take(3) == Step(Heard.FRESH, 0)
    assert sequence.take(5) == Step(Heard.FRESH, 1)


def test_a_lost_count_in_a_rotation_is_the_new_connections_to_tell() -> None:
    old = Sequence(10)
    new = old.hand_over(12)
    assert (old.forget(), new.forget()) == (False, True)
    assert old.lacking == 0


def test_a_rotation_after_a_lost_count_starts_where_the_new_one_does() -> None:
    old = Sequence(10)
    old.forget()
    new = old.hand_over(3)
    assert (old.lacking, new.take(4)) == (0, Step(Heard.FRESH, 0))


def test_both_repeats_in_an_overlap_are_no_duplicates() -> None:
    old = Sequence(10)
    new = old.hand_over(8)
    assert [new.take(n).heard for n in (9, 10, 11)] == [Heard.OVERLAP, Heard.OVERLAP, Heard.FRESH]
    assert old.take(11).heard is Heard.OVERLAP
    assert new.take(11).heard is Heard.DUPLICATE


@pytest.mark.parametrize(
    ("missed", "label"),
    [(1, "gap of 1"), (9, "gap of 9"), (10, "gap of 10 or more"), (10**6, "gap of 10 or more"), (None, "count lost")],
)
def test_gap_labels_are_few(missed: int | None, label: str) -> None:
    assert gap_label(missed) == label
