"""The two checks that count marks, against naive sums, and against checkers that are wrong."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from harness.records import Mark, Outcome, Sample
from harness.verdict import Finding, Verdict
from tests.harness.history.folds import check_sequences, check_terminal

Totals = Mapping[tuple[str, Outcome], int]
Checker = Callable[[Iterable[Sample], Totals], list[Finding]]
TERMINAL = {Mark.SECOND_REPLY, Mark.NO_REPLY}
UNTOLD = {Mark.SILENT_GAP, Mark.DUPLICATE, Mark.LATE}
ANSWERED = {("rpc_batch", Outcome.OK): 5, ("ws_delivery", Outcome.OK): 7}


def marked(*marks: Mark, count: int = 1, operation: str = "rpc_batch") -> Sample:
    return Sample(operation, Outcome.WRONG_REPLY, 1.0, 1.0, 2.0, user=3, marks=tuple((mark, count) for mark in marks))


samples = st.builds(
    lambda marks, count: marked(*marks, count=count), st.lists(st.sampled_from(Mark), max_size=2), st.integers(1, 3)
)
histories = st.lists(samples, max_size=4)


def seen(history: list[Sample]) -> Counter[Mark]:
    return Counter(mark for sample in history for mark, count in sample.marks for _ in range(count))


def right(checker: Checker, history: list[Sample], wrong: set[Mark]) -> bool:
    (finding,) = checker(history, ANSWERED)
    (nothing,) = checker(history, {})
    bad = bool(seen(history).keys() & wrong)
    return finding.verdict is (Verdict.FAIL if bad else Verdict.PASS) and nothing.verdict is (
        Verdict.FAIL if bad else Verdict.INCONCLUSIVE
    )


@given(histories)
def test_the_checks_decide_as_their_definitions_do(history: list[Sample]) -> None:
    assert right(check_terminal, history, TERMINAL)
    assert right(check_sequences, history, UNTOLD)


MUTANTS: dict[str, tuple[Checker, set[Mark]]] = {
    "a second reply is ignored": (lambda h, t: check_terminal(without(h, Mark.SECOND_REPLY), t), TERMINAL),
    "no reply is ignored": (lambda h, t: check_terminal(without(h, Mark.NO_REPLY), t), TERMINAL),
    "a silent gap is ignored": (lambda h, t: check_sequences(without(h, Mark.SILENT_GAP), t), UNTOLD),
    "a duplicate is ignored": (lambda h, t: check_sequences(without(h, Mark.DUPLICATE), t), UNTOLD),
    "a late one is ignored": (lambda h, t: check_sequences(without(h, Mark.LATE), t), UNTOLD),
    "a told gap is a silent one": (lambda h, t: check_sequences(taking_told_for_silent(h), t), UNTOLD),
    "nothing answered passes": (lambda h, _: check_terminal(h, ANSWERED), TERMINAL),
    "nothing delivered passes": (lambda h, _: check_sequences(h, ANSWERED), UNTOLD),
}


def without(history: Iterable[Sample], left_out: Mark) -> list[Sample]:
    return [marked(*(m for m, _ in sample.marks if m is not left_out)) for sample in history]


def taking_told_for_silent(history: Iterable[Sample]) -> list[Sample]:
    return [marked(*(Mark.SILENT_GAP if m is Mark.TOLD_GAP else m for m, _ in sample.marks)) for sample in history]


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_property_sees_a_wrong_checker(mutant: str) -> None:
    checker, wrong = MUTANTS[mutant]

    @settings(phases=[Phase.generate], max_examples=1000, database=None, derandomize=True)
    @given(histories)
    def property_holds(history: list[Sample]) -> None:
        assert right(checker, history, wrong)

    with pytest.raises(AssertionError):
        property_holds()


def test_messages_count_and_give_examples() -> None:
    history = [marked(Mark.SECOND_REPLY, Mark.NO_REPLY, count=2), marked(Mark.SECOND_REPLY)]
    (finding,) = check_terminal(history, ANSWERED)
    assert dict(finding.figures) == {"second_replies": 3, "missing_replies": 2, "answered": 5}
    assert "second replies: rpc_batch at 2.0 s, rpc_batch at 2.0 s and 1 more" in finding.message
    (finding,) = check_sequences([marked(Mark.SILENT_GAP, count=4), marked(Mark.TOLD_GAP, count=9)], ANSWERED)
    assert (finding.figures["delivered"], finding.figures["missing_without_notice"]) == (7, 4)
    assert finding.figures["missing_with_notice"] == 9
    assert "4 of user 3 at 2.0 s and 3 more" in finding.message


def test_what_comes_unasked_or_never_came_is_no_answer() -> None:
    totals = {("ws_delivery", Outcome.OK): 9, ("rpc_echo", Outcome.TIMED_OUT): 9, ("rpc_echo", Outcome.DROPPED): 1}
    (finding,) = check_terminal([], totals)
    assert finding.verdict is Verdict.INCONCLUSIVE
