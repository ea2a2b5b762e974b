"""The reply check against a naive oracle, and the property against checkers that are wrong."""

from collections.abc import Callable, Iterable, Sequence

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from harness.records import Outcome, Sample
from harness.verdict import Finding, Verdict
from tests.harness.history.folds import check_reply_keys

Checker = Callable[[Iterable[Sample]], list[Finding]]


def read(key: str, answer: str, outcome: Outcome = Outcome.OK, done_s: float = 1.0) -> Sample:
    return Sample("cache_get", outcome, 0.0, 0.0, done_s, key, answer)


keys = st.sampled_from(["key-1", "key-2", "key-11"])
outcomes = st.sampled_from([Outcome.OK, Outcome.WRONG_REPLY, Outcome.TIMED_OUT])
reads = st.lists(st.builds(read, keys, keys | st.just(""), outcomes), max_size=6)


def oracle(history: Sequence[Sample]) -> Verdict:
    if any(r.outcome is Outcome.WRONG_REPLY or r.answer not in {"", r.key} for r in history):
        return Verdict.FAIL
    return Verdict.PASS if any(r.answer for r in history) else Verdict.INCONCLUSIVE


def agrees(checker: Checker, history: Sequence[Sample]) -> bool:
    (finding,) = checker(history)
    return finding.verdict is oracle(history)


@given(reads)
def test_the_check_decides_as_the_definition_does(history: list[Sample]) -> None:
    assert agrees(check_reply_keys, history)


MUTANTS: dict[str, Checker] = {
    "only good outcomes are judged": lambda h: check_reply_keys(r for r in h if r.outcome is Outcome.OK),
    "only answers are judged": lambda h: check_reply_keys(read(r.key, r.answer) for r in h),
    "a miss is judged": lambda h: check_reply_keys(read(r.key, r.answer or "none") for r in h),
    "a miss counts as answered": lambda h: check_reply_keys(read(r.key, r.answer or r.key) for r in h),
    "a prefix is enough": lambda h: check_reply_keys(read(r.key, r.answer[:5]) for r in h),
    "only the first is judged": lambda h: check_reply_keys(list(h)[:1]),
    "everything passes": lambda _: check_reply_keys([read("key-1", "key-1")]),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_property_sees_a_wrong_checker(mutant: str) -> None:
    @settings(phases=[Phase.generate], max_examples=1000, database=None, derandomize=True)
    @given(reads)
    def property_holds(history: list[Sample]) -> None:
        assert agrees(MUTANTS[mutant], history)

    with pytest.raises(AssertionError):
        property_holds()


def test_a_failure_shows_its_first_example() -> None:
    history = [read("key-1", "key-1"), read("key-2", "key-1", Outcome.WRONG_REPLY, 7.25), read("key-1", "key-2")]
    (finding,) = check_reply_keys(history)
    assert (finding.figures["observed"], finding.figures["judged"]) == (2, 3)
    assert "at 7.2 s: cache_get of key-2 got key-1" in finding.message
