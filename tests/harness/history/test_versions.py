"""The check of stale replies against a search through all orders, and against registers that work."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from harness.history.versions import StaleReplies
from harness.records import UNVERSIONED, Outcome, Sample
from harness.verdict import Finding, Verdict
from tests.harness.history.folds import check_stale
from tests.harness.judging.checks.registers import fits, read, working, wrote

Checker = Callable[[Iterable[Sample]], list[Finding]]


@st.composite
def anything(draw: st.DrawFn) -> list[Sample]:
    """Draw a small history of one key, right or wrong, in any order; nothing is read before it was sent."""
    moments = st.tuples(st.integers(0, 12), st.integers(0, 5))
    history = []
    for version in range(draw(st.integers(1, 3))):
        sent_s, took_s = draw(moments)
        history.append(wrote(version, sent_s, sent_s + took_s, ok=draw(st.booleans())))
    writes = list(history)
    for _ in range(draw(st.integers(0, 4))):
        of, (sent_s, took_s) = draw(st.sampled_from(writes)), draw(moments)
        history.append(read(of.wrote, sent_s, max(sent_s + took_s, of.sent_s)))
    return draw(st.permutations(history))


def agrees(checker: Checker, history: Sequence[Sample]) -> bool:
    (finding,) = checker(history)
    return (finding.verdict is Verdict.FAIL) is not fits(history)


@settings(max_examples=400)
@given(anything())
def test_it_fails_what_no_order_explains_and_nothing_else(history: list[Sample]) -> None:
    assert agrees(check_stale, history)


def as_acknowledged(history: Iterable[Sample]) -> list[Finding]:
    return check_stale(replace(one, outcome=Outcome.OK) for one in history)


def as_open(history: Iterable[Sample]) -> list[Finding]:
    return check_stale(one if one.wrote == UNVERSIONED else replace(one, outcome=Outcome.RESET) for one in history)


def by_number(history: Iterable[Sample]) -> list[Finding]:
    """Take the greater of two versions for the later one, as if no two writes were ever on their way at once."""
    seen = StaleReplies()
    newest = UNVERSIONED
    for sample in history:
        seen.see(sample)
        if sample.read != UNVERSIONED and sample.read < newest:
            seen.stale.note("an older number")
        newest = max(newest, sample.read)
    return seen.findings()


def only_the_last_read(history: Iterable[Sample]) -> list[Finding]:
    every = list(history)
    return check_stale([*(one for one in every if one.wrote != UNVERSIONED), *every[-1:]])


MUTANTS: dict[str, Checker] = {
    "a write that was given up took effect in time": as_acknowledged,
    "an acknowledgement says nothing": as_open,
    "the greater number is the later write": by_number,
    "only writes and the last read are seen": only_the_last_read,
    "a request takes no time": lambda h: check_stale(replace(one, sent_s=one.done_s) for one in h),
    "a request may have been sent at any time": lambda h: check_stale(replace(one, sent_s=0.0) for one in h),
    "everything passes": lambda _: check_stale([]),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_property_sees_a_wrong_checker(mutant: str) -> None:
    @settings(phases=[Phase.generate], max_examples=1000, database=None, derandomize=True)
    @given(anything())
    def property_holds(history: list[Sample]) -> None:
        assert agrees(MUTANTS[mutant], history)

    with pytest.raises(AssertionError):
        property_holds()


@given(working(), st.integers(1, 4), st.integers(1, 3), st.sampled_from([0.0, 0.5]))
def test_registers_that_work_are_never_flagged_however_little_is_kept(
    history: list[Sample], window: int, keys_max: int, apart_s: float
) -> None:
    seen = StaleReplies(window=window, keys_max=keys_max, apart_s=apart_s)
    for sample in history:
        seen.see(sample)
    assert not seen.stale, str(seen.stale)
    assert seen.judged == sum(sample.read != UNVERSIONED for sample in history)


@given(working(keys=1), st.integers(1, 16), st.data())
def test_an_old_version_that_comes_back_is_flagged_however_old(
    history: list[Sample], window: int, data: st.DataObject
) -> None:
    ended_s = max([10.0, *(sample.done_s for sample in history)])
    old = data.draw(st.integers(0, 200))
    later = [wrote(1000 + n, ended_s + n + 1, ended_s + n + 1.5, key="key-1") for n in range(202)]
    seen = StaleReplies(window=window)
    for sample in [*history, *later, read(1000 + old, ended_s + 300, ended_s + 301, key="key-1")]:
        seen.see(sample)
    assert seen.stale.count == 1


def test_one_stale_reply_is_counted_once_and_does_not_make_the_right_ones_wrong() -> None:
    history = [wrote(1, 1, 2), wrote(2, 3, 4), read(1, 5.0, 6.25), *(read(2, n, n + 1) for n in range(7, 20))]
    (finding,) = check_stale(history)
    assert (finding.figures["observed"], finding.figures["reads"]) == (1, 14)
    assert "cache_get of k at 6.2 s: version 1 beside version 2, current by 4.0 s" in finding.message


def test_a_version_that_was_replaced_between_two_reads_is_not_read_again() -> None:
    """No write is older than the other: only the reads tell."""
    writes = [wrote(1, 0, 9), wrote(2, 0, 9)]
    assert check_stale([read(1, 1, 2), read(2, 3, 4), *writes])[0].verdict is Verdict.PASS
    assert check_stale([read(1, 1, 2), read(2, 3, 4), read(1, 5, 6), *writes])[0].verdict is Verdict.FAIL


def test_a_value_of_another_run_is_stale_once_this_run_has_written() -> None:
    other = read(999, 5.0, 6.0, writer="run-6")
    assert check_stale([wrote(1, 1, 2, key="other"), other])[0].verdict is Verdict.PASS
    assert check_stale([wrote(1, 1, 5.5), other])[0].verdict is Verdict.PASS
    assert check_stale([wrote(1, 1, 2, ok=False), other])[0].verdict is Verdict.PASS
    (finding,) = check_stale([wrote(1, 1, 2), other])
    assert finding.verdict is Verdict.FAIL
    assert "version 999 of run-6 beside version 1" in finding.message
    old = [wrote(n, n, n + 0.5) for n in range(1, 40)]
    assert check_stale([*old, read(999, 50, 51, writer="run-6")])[0].verdict is Verdict.FAIL


@pytest.mark.parametrize(
    "history",
    [
        [wrote(1, 1, 2), wrote(2, 2.4, 3), read(1, 9, 10)],  # the second write may have come before the first was done
        [wrote(1, 1, 2), wrote(2, 4, 5), read(1, 5.4, 6)],  # the read may have been sent before the second write ended
    ],
)
def test_what_clocks_may_be_apart_is_never_proof(history: list[Sample]) -> None:
    assert check_stale(history, apart_s=0.3)[0].verdict is Verdict.FAIL
    assert check_stale(history, apart_s=0.5)[0].verdict is Verdict.PASS


@pytest.mark.parametrize("outcome", [Outcome.DROPPED, Outcome.REFUSED])
def test_what_was_never_sent_was_never_written(outcome: Outcome) -> None:
    (finding,) = check_stale([replace(wrote(1, 1, 2), outcome=outcome), read(5, 5, 6, writer="run-6")])
    assert finding.verdict is Verdict.PASS


@pytest.mark.parametrize("history", [[], [wrote(1, 1, 2)], [replace(read(1, 1, 2), outcome=Outcome.WRONG_REPLY)]])
def test_without_a_version_read_nothing_is_decided(history: list[Sample]) -> None:
    assert check_stale(history)[0].verdict is Verdict.INCONCLUSIVE


def test_memory_has_a_bound_in_keys_and_in_versions() -> None:
    rng = random.Random(7)
    seen = StaleReplies(keys_max=50)
    for n in range(20_000):
        key = f"key-{rng.randrange(500)}"
        seen.see(wrote(n, n, n + 0.5, key=key, ok=n % 3 > 0))
    assert len(seen._registers) == 50
    assert max(len(register.zones) for register in seen._registers.values()) <= 16
    assert seen.dropped > 0
    seen.see(read(1, 30_000, 30_001, key="key-1"))
    assert seen.findings()[0].figures["keys_dropped"] == seen.dropped
