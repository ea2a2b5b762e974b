"""The set check against a naive oracle, and the property against checkers that are wrong."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from harness.records import Outcome, Sample
from harness.verdict import Finding, Verdict
from tests.harness.history.folds import check_acknowledged

Checker = Callable[[Iterable[Sample], Collection[str]], list[Finding]]
KEYS = [f"r-{n}" for n in range(6)]


@dataclass(frozen=True)
class History:
    """What clients did, and what the database holds in the end."""

    writes: tuple[Sample, ...]
    found: frozenset[str]


def write(key: str, outcome: Outcome) -> Sample:
    return Sample("ledger_write", outcome, 0.0, 0.0, 0.1, key)


# Keys repeat: one idempotency key may be sent again, and end otherwise.
histories = st.builds(
    History,
    st.lists(st.builds(write, st.sampled_from(KEYS), st.sampled_from(Outcome)), max_size=8).map(tuple),
    st.frozensets(st.sampled_from([*KEYS, "nobody-asked"])),
)


def oracle(history: History) -> Verdict:
    """Decide key by key, from the definition."""
    verdict = Verdict.INCONCLUSIVE
    for key in {*KEYS, "nobody-asked"}:
        outcomes = {w.outcome for w in history.writes if w.key == key}
        if Outcome.OK in outcomes and key not in history.found:
            return Verdict.FAIL
        if not outcomes and key in history.found:
            return Verdict.FAIL
        if Outcome.OK in outcomes:
            verdict = Verdict.PASS
    return verdict


def agrees(checker: Checker, history: History) -> bool:
    (finding,) = checker(history.writes, history.found)
    return finding.verdict is oracle(history)


@given(histories)
def test_the_check_decides_as_the_definition_does(history: History) -> None:
    assert agrees(check_acknowledged, history)


def without(outcome: Outcome, treat_as: Outcome | None) -> Checker:
    """Return a wrong checker: it takes one outcome for another, or leaves it out."""

    def checker(writes: Iterable[Sample], found: Collection[str]) -> list[Finding]:
        seen = [write(w.key, treat_as or w.outcome) if w.outcome is outcome else w for w in writes]
        return check_acknowledged([w for w in seen if treat_as or w.outcome is not outcome], found)

    return checker


def ignores_unexpected(writes: Iterable[Sample], found: Collection[str]) -> list[Finding]:
    writes = list(writes)
    return check_acknowledged(writes, set(found) & {w.key for w in writes})


def ignores_lost(writes: Iterable[Sample], found: Collection[str]) -> list[Finding]:
    writes = list(writes)
    return check_acknowledged(writes, {*found, *(w.key for w in writes if w.outcome is Outcome.OK)})


def lets_the_last_outcome_win(writes: Iterable[Sample], found: Collection[str]) -> list[Finding]:
    return check_acknowledged({w.key: w for w in writes}.values(), found)


def passes_when_nothing_was_acknowledged(writes: Iterable[Sample], found: Collection[str]) -> list[Finding]:
    return check_acknowledged([*writes, write("extra", Outcome.OK)], {*found, "extra"})


MUTANTS: dict[str, Checker] = {
    "a time-out is a failure": without(Outcome.TIMED_OUT, None),
    "a time-out is a success": without(Outcome.TIMED_OUT, Outcome.OK),
    "a reset is a failure": without(Outcome.RESET, None),
    "a wrong reply is a success": without(Outcome.WRONG_REPLY, Outcome.OK),
    "an acknowledgement is doubtful": without(Outcome.OK, Outcome.TIMED_OUT),
    "unexpected keys are ignored": ignores_unexpected,
    "lost keys are ignored": ignores_lost,
    "the last outcome of a key wins": lets_the_last_outcome_win,
    "nothing acknowledged is a pass": passes_when_nothing_was_acknowledged,
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_property_sees_a_wrong_checker(mutant: str) -> None:
    # Found is enough; shrinking would only make it pretty.
    @settings(phases=[Phase.generate], max_examples=1000, database=None, derandomize=True)
    @given(histories)
    def property_holds(history: History) -> None:
        assert agrees(MUTANTS[mutant], history)

    with pytest.raises(AssertionError):
        property_holds()


def test_a_failure_names_some_keys_and_counts_the_rest() -> None:
    writes = [write(f"r-{n}", Outcome.OK) for n in range(8)]
    (finding,) = check_acknowledged(writes, {"r-7", "ghost"})
    assert (finding.figures["lost"], finding.figures["unexpected"], finding.figures["acknowledged"]) == (7, 1, 8)
    assert "lost: r-0, r-1, r-2, r-3, r-4 and 2 more; unexpected: ghost" in finding.message


def test_a_pass_tells_what_was_done_without_an_acknowledgement() -> None:
    writes = [write("a", Outcome.OK), write("b", Outcome.TIMED_OUT), write("c", Outcome.RESET)]
    (finding,) = check_acknowledged(writes, {"a", "b"})
    assert finding.verdict is Verdict.PASS
    assert (finding.figures["acknowledged"], finding.figures["found"]) == (1, 2)
