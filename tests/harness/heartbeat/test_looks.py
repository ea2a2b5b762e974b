"""What looks say of a recovery, against the definition written out the long way."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.heartbeat.looks import LATE_S, Look, Return, Returned, returned
from harness.stats.recovery import Recovery

PACE_S, HOLD_S, HEALED_S = 0.02, 0.09, 50.0  # five looks after the first
TOOK_S = 0.003


def told(pattern: str, during: str = "") -> Returned:
    """Return what a pattern says, a look a letter: `.` good, `x` failed, `o` not taken; `during` is before the heal."""
    seen = Return(pace_s=PACE_S, hold_s=HOLD_S)
    for n, letter in enumerate(during):
        seen.see(Look(40 + n, 40 + n + TOOK_S, letter == "."))
    seen.heal(HEALED_S)
    for n, letter in enumerate(pattern, 1):
        due_s = HEALED_S + n * PACE_S
        if letter != "o":
            seen.see(Look(due_s, due_s + TOOK_S, letter == "."))
    return seen.returned()


def near(part: Recovery) -> tuple[float | None, float | None]:
    """Return (last bad, recovery) in looks since the heal; the answer's own time counts for nothing."""
    took_s = part.recovery_s
    return round(part.last_bad_s / PACE_S, 6), None if took_s is None else round((took_s - TOOK_S) / PACE_S, 6)


@pytest.mark.parametrize(
    ("pattern", "first", "lasting"),
    [
        ("......", (0, 1), (0, 1)),
        ("xx......", (2, 3), (2, 3)),
        # It answers once, and fails again: the stretch begins anew.
        ("x.x......", (1, 2), (3, 4)),
        ("x.....x......", (1, 2), (7, 8)),
        ("x......xxx", (1, 2), (1, 2)),
        ("x.....", (1, 2), (1, None)),
        ("xxxxxx", (6, None), (6, None)),
        ("", (0, None), (0, None)),
        ("x.xxx.x", (1, 2), (7, None)),
    ],
)
def test_the_parts_of_a_pattern(
    pattern: str, first: tuple[float, float | None], lasting: tuple[float, float | None]
) -> None:
    seen = told(pattern, during="x")
    assert (near(seen.first_success), near(seen.lasting)) == (first, lasting)
    assert seen.interrupted


def test_what_was_answered_all_along_was_never_interrupted() -> None:
    seen = told("......", during="...")
    assert (seen.first_success.recovery_s, seen.lasting.recovery_s, seen.interrupted) == (0.0, 0.0, False)
    # One that failed is enough, before the heal or after it; and where none was taken nothing is known.
    assert told("......", during="..x").interrupted
    assert told("......", during="x..").interrupted
    assert told("......", during="").interrupted
    assert told("x......", during="...").interrupted
    assert told("...", during="...").interrupted


def test_looks_that_were_not_taken_are_neither_good_nor_bad_and_make_no_stretch() -> None:
    seen = told("x.oooooo.")
    # All that was looked at is two looks, each of which tells of 50 ms at most.
    assert seen.lasting.recovery_s is None
    seen = told("x.oooooo....")
    assert near(seen.lasting) == (1, 2)
    assert seen.gap_s == pytest.approx(7 * PACE_S)
    seen = told("xoooo......")
    assert near(seen.lasting) == (1, 6)
    assert seen.unseen_s == pytest.approx(4 * PACE_S)


def test_an_answer_that_overtook_one_that_hung_counts_from_when_it_came() -> None:
    looks = [Look(50.02, 50.9, ok=True)] + [Look(50 + n / 50, 50 + n / 50 + 0.01, ok=True) for n in range(10, 20)]
    seen = returned(looks, healed_s=HEALED_S, pace_s=PACE_S, hold_s=HOLD_S)
    assert seen.first_success.recovery_s == pytest.approx(0.21)
    assert seen.lasting.recovery_s == pytest.approx(0.21)


@st.composite
def sequences(draw: st.DrawFn) -> list[Look]:
    """Draw looks in the order in which they were due, some of them missing, some slow."""
    looks, due_s = [], HEALED_S
    for _ in range(draw(st.integers(0, 40))):
        due_s += PACE_S * draw(st.sampled_from([1, 1, 1, 1, 2, 5]))
        looks.append(
            Look(due_s, due_s + draw(st.sampled_from([0.001, 0.3])), draw(st.sampled_from([True] * 4 + [False])))
        )
    return looks


def stretches(looks: Sequence[Look]) -> list[list[Look]]:
    """Return the runs of good looks."""
    runs: list[list[Look]] = [[]]
    for look in looks:
        if look.ok:
            runs[-1].append(look)
        else:
            runs.append([])
    return [run for run in runs if run]


def looked_s(run: Sequence[Look]) -> float:
    return sum(min(b.due_s - a.due_s, LATE_S) for a, b in pairwise(run))


@given(sequences())
def test_it_is_as_defined(looks: list[Look]) -> None:
    seen = returned(looks, healed_s=HEALED_S, pace_s=PACE_S, hold_s=HOLD_S)
    lasting = [run for run in stretches(looks) if looked_s(run) >= HOLD_S]
    # Not nearer than rounding: a stretch of exactly the hold may fall on either side.
    if any(abs(looked_s(run[: n + 1]) - HOLD_S) < 1e-9 for run in stretches(looks) for n in range(len(run))):
        return
    if not lasting:
        assert seen.lasting.recovery_s is None
        bad = [look.due_s - HEALED_S for look in looks if not look.ok]
        assert seen.lasting.last_bad_s == max(bad, default=0.0)
        assert (seen.looks, seen.failed) == (len(looks), len(bad))
        return
    run = lasting[0]
    until = next(n for n in range(len(run)) if looked_s(run[: n + 1]) >= HOLD_S) + 1
    known = looks[: looks.index(run[0]) + until]
    assert seen.lasting.recovery_s == min(look.done_s for look in run[:until]) - HEALED_S
    assert seen.first_success.recovery_s == min(look.done_s for look in known if look.ok) - HEALED_S
    assert (seen.looks, seen.failed) == (len(known), sum(not look.ok for look in known))


@given(sequences(), sequences())
def test_the_first_success_comes_before_the_lasting_one_and_what_is_known_stays(
    looks: list[Look], more: list[Look]
) -> None:
    seen = returned(looks, healed_s=HEALED_S, pace_s=PACE_S, hold_s=HOLD_S)
    first, lasting = seen.first_success, seen.lasting
    if lasting.recovery_s is not None:
        assert first.recovery_s is not None
        assert 0 < first.recovery_s <= lasting.recovery_s
        assert lasting.last_bad_s < lasting.recovery_s
        shift_s = looks[-1].due_s - HEALED_S
        later = [Look(look.due_s + shift_s, look.done_s + shift_s, look.ok) for look in more]
        assert returned([*looks, *later], healed_s=HEALED_S, pace_s=PACE_S, hold_s=HOLD_S) == seen


@given(sequences(), st.integers(0, 39))
def test_one_more_failure_never_makes_recovery_look_quicker(looks: list[Look], which: int) -> None:
    if not looks:
        return
    # Where answers overtake one another, one that failed may be a slow one that made the first moment late.
    prompt = [Look(look.due_s, look.due_s + TOOK_S, look.ok) for look in looks]
    worse = [Look(look.due_s, look.done_s, look.ok and n != which % len(looks)) for n, look in enumerate(prompt)]
    before = returned(prompt, healed_s=HEALED_S, pace_s=PACE_S, hold_s=HOLD_S)
    after = returned(worse, healed_s=HEALED_S, pace_s=PACE_S, hold_s=HOLD_S)
    for was, now in ((before.first_success, after.first_success), (before.lasting, after.lasting)):
        if now.recovery_s is not None:
            assert was.recovery_s is not None
            assert was.recovery_s <= now.recovery_s
