import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import JournalError
from harness.verdict import FILE_NAME, Decision, Finding, Measurement, Result, Verdict, guarded, merge, split

verdicts = st.lists(st.sampled_from(Verdict), max_size=8)
figures = st.dictionaries(st.text(), st.one_of(st.floats(), st.integers(), st.text()), max_size=4)
findings = st.builds(Finding, st.text(), st.sampled_from(Verdict), st.text(), st.text(), st.text(), st.text(), figures)
measurements = st.builds(Measurement, st.text(), st.text(), st.text(), st.text(), figures)
decisions = st.builds(
    Decision, st.sampled_from(Verdict), st.text(), st.text(), st.integers(), st.text(), st.text(),
    st.floats(0, 1e6), st.lists(findings, max_size=4).map(tuple), st.lists(measurements, max_size=4).map(tuple),
)  # fmt: skip
OF_TODAY = Path(__file__).with_name("verdict_without_measurements.json")


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


def test_a_crashed_check_is_inconclusive_and_says_why() -> None:
    def crash() -> Sequence[Finding]:
        raise ZeroDivisionError("by nought")

    (found,) = guarded("errors", crash)
    assert isinstance(found, Finding)
    assert (found.check, found.verdict) == ("errors", Verdict.INCONCLUSIVE)
    assert "ZeroDivisionError: by nought" in found.message


def test_a_check_without_a_result_is_inconclusive() -> None:
    (found,) = guarded("errors", list)
    assert isinstance(found, Finding)
    assert (found.check, found.verdict) == ("errors", Verdict.INCONCLUSIVE)


def test_a_check_that_only_measures_decides_nothing() -> None:
    measured = Measurement("mttr", "mean 2.0 s", "all faults", "recovery time: mean 2.0 s", {"mean_s": 2.0})
    results: list[Result] = guarded("mttr", lambda: [measured])
    assert split(results) == ((), (measured,))
    assert merge(each.verdict for each in split(results)[0]) is Verdict.INCONCLUSIVE


def test_a_check_that_decides_is_left_alone() -> None:
    assert guarded("errors", lambda: (finding(Verdict.PASS),)) == [finding(Verdict.PASS)]


@given(decision=decisions)
def test_a_decision_reads_back_as_written(decision: Decision) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assert decision.write(folder) == folder / FILE_NAME
        assert Decision.read(folder) == decision
        assert [path.name for path in folder.iterdir()] == [FILE_NAME]


def test_numbers_that_json_cannot_hold_are_left_out() -> None:
    odd: dict[str, Any] = {
        "nan": math.nan,
        "inf": -math.inf,
        "count": np.int64(3),
        "share": np.float32(0.5),
        "unit": "B/request",
    }
    found = Finding("c", Verdict.PASS, "o", "a", "w", "m", odd)
    assert json.loads(json.dumps(found.figures)) == {"count": 3, "share": 0.5, "unit": "B/request"}


def test_a_message_is_subject_observed_allowed_and_notes() -> None:
    found = Finding.about(
        "api memory",
        check="memory_growth",
        verdict=Verdict.FAIL,
        where="api",
        observed="2500 B/request (95% CI +/-300)",
        allowed="1024 B/request",
        limit="1024",
        notes=["", "steady growth", ""],
        figures={"observed": 2500.0},
    )
    assert found.message == "api memory: 2500 B/request (95% CI +/-300), allowed 1024; steady growth"
    assert (found.where, found.allowed, found.figures) == ("api", "1024 B/request", {"observed": 2500.0})


def test_a_decision_of_an_earlier_version_is_read_as_one_without_figures_or_measurements(tmp_path: Path) -> None:
    """The file was written before findings had figures and decisions measurements."""
    (tmp_path / FILE_NAME).write_bytes(OF_TODAY.read_bytes())
    decision = Decision.read(tmp_path)
    assert decision is not None
    assert (decision.verdict, decision.seed, decision.measurements) == (Verdict.FAIL, 7331, ())
    assert [(f.check, f.verdict, f.where, f.figures) for f in decision.findings] == [
        ("memory_growth", Verdict.FAIL, "api", {}),
        ("recovery_parts", Verdict.PASS, "down api_redis", {}),
        ("generator", Verdict.INCONCLUSIVE, "generator", {}),
    ]
    decision.write(tmp_path)
    assert Decision.read(tmp_path) == decision


def test_a_run_without_a_decision_has_none(tmp_path: Path) -> None:
    assert Decision.read(tmp_path) is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "null", "7", '"PASS"', "[]", "{}", '{"findings": [], "verdict": "MAYBE"}'),
        *('{"findings": [1], "verdict": "PASS"}', '{"findings": null}'),
        json.dumps({"findings": [], "verdict": "PASS", "surprise": 1}),
        *('{"findings": [], "measurements": [1], "verdict": "PASS"}', '{"findings": [], "measurements": 7}'),
    ],
)
def test_what_is_no_decision_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(JournalError, match=r"verdict.json: not a verdict"):
        Decision.read(tmp_path)


def test_the_summary_begins_with_the_gravest_and_has_no_pass() -> None:
    told = (finding(Verdict.INCONCLUSIVE, "unsure"), finding(Verdict.PASS, "fine"), finding(Verdict.FAIL, "bad"))
    decision = Decision(Verdict.FAIL, "r1", "soak", 7331, "local", "2026-01-01T00:00:00+00:00", 12.0, told)
    assert decision.summary().splitlines() == [
        "FAIL (soak, local stack, seed 7331, run r1)",
        "  FAIL: bad",
        "  INCONCLUSIVE: unsure",
    ]
