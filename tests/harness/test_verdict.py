import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import JournalError
from harness.verdict import FILE_NAME, Decision, Finding, Verdict, guarded, merge

verdicts = st.lists(st.sampled_from(Verdict), max_size=8)
findings = st.builds(Finding, st.text(), st.sampled_from(Verdict), st.text(), st.text(), st.text(), st.text())
decisions = st.builds(
    Decision, st.sampled_from(Verdict), st.text(), st.text(), st.integers(), st.text(), st.text(),
    st.floats(0, 1e6), st.lists(findings, max_size=4).map(tuple),
)  # fmt: skip


@given(verdicts)
def test_fail_dominates_then_inconclusive(these: list[Verdict]) -> None:
    if Verdict.FAIL in these:
        assert merge(these) is Verdict.FAIL
    elif these and set(these) == {Verdict.PASS}:
        assert merge(these) is Verdict.PASS
    else:
        assert merge(these) is Verdict.INCONCLUSIVE


@given(verdicts, st.randoms(use_true_random=False))
def test_the_order_of_verdicts_does_not_matter(these: list[Verdict], rng: object) -> None:
    shuffled = list(these)
    rng.shuffle(shuffled)  # type: ignore[attr-defined] # Hypothesis' own Random
    assert merge(shuffled) is merge(these)


@given(verdicts, verdicts)
def test_merging_in_parts_is_merging_at_once(some: list[Verdict], more: list[Verdict]) -> None:
    if some and more:
        assert merge([merge(some), merge(more)]) is merge(some + more)


def finding(verdict: Verdict, message: str = "m") -> Finding:
    return Finding("c", verdict, "o", "a", "w", message)


def test_a_crashed_checker_is_inconclusive_and_says_why() -> None:
    def crash() -> Sequence[Finding]:
        raise ZeroDivisionError("by nought")

    (told,) = guarded("errors", crash)
    assert told.verdict is Verdict.INCONCLUSIVE
    assert told.message == "errors: the checker crashed: ZeroDivisionError: by nought"


def test_a_silent_checker_is_inconclusive() -> None:
    (told,) = guarded("errors", list)
    assert (told.check, told.verdict) == ("errors", Verdict.INCONCLUSIVE)


def test_a_checker_that_decides_is_left_alone() -> None:
    assert guarded("errors", lambda: (finding(Verdict.PASS),)) == [finding(Verdict.PASS)]


@given(decision=decisions)
def test_a_decision_reads_back_as_written(decision: Decision) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assert decision.write(folder) == folder / FILE_NAME
        assert Decision.read(folder) == decision
        assert [path.name for path in folder.iterdir()] == [FILE_NAME]


def test_a_run_without_a_decision_has_none(tmp_path: Path) -> None:
    assert Decision.read(tmp_path) is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "null", "7", '"PASS"', "[]", "{}", '{"findings": [], "verdict": "MAYBE"}'),
        *('{"findings": [1], "verdict": "PASS"}', '{"findings": null}'),
        json.dumps({"findings": [], "verdict": "PASS", "surprise": 1}),
    ],
)
def test_what_is_no_decision_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(JournalError, match=r"verdict.json: not a verdict"):
        Decision.read(tmp_path)


def test_the_summary_tells_the_gravest_first_and_no_pass() -> None:
    told = (finding(Verdict.INCONCLUSIVE, "unsure"), finding(Verdict.PASS, "fine"), finding(Verdict.FAIL, "bad"))
    decision = Decision(Verdict.FAIL, "r1", "soak", 7331, "local", "2026-01-01T00:00:00+00:00", 12.0, told)
    assert decision.summary().splitlines() == [
        "FAIL (soak, local stack, seed 7331, run r1)",
        "  FAIL: bad",
        "  INCONCLUSIVE: unsure",
    ]
