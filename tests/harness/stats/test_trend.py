import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng

from harness.stats.trend import RUNS_MIN, gate
from harness.verdict import Verdict

STEADY = [1.0, 1.02, 0.98, 1.01, 0.99] * 4


def test_below_ten_runs_nothing_is_said() -> None:
    seen = gate([1.0] * (RUNS_MIN - 1), 100.0)
    assert (seen.verdict, seen.runs) == (None, 9)
    assert gate([1.0] * RUNS_MIN, 100.0).verdict is Verdict.FAIL


def test_worse_than_four_sigmas_fails_and_better_is_noted() -> None:
    # The MAD is 0.01, four sigmas with the median's error 0.0616; the floor of a tenth is wider.
    assert gate(STEADY, 1.099).verdict is Verdict.PASS
    assert gate(STEADY, 1.101).verdict is Verdict.FAIL
    assert gate(STEADY, 1.07, relative=0.0).verdict is Verdict.FAIL
    assert gate(STEADY, 1.06, relative=0.0).verdict is Verdict.PASS
    assert gate(STEADY, 1.06, relative=0.0).limit == pytest.approx(1 + 4 * 0.014826 * math.sqrt(1 + math.pi / 40))
    faster = gate(STEADY, 0.5)
    assert (faster.verdict, faster.better) == (Verdict.PASS, True)
    assert not gate(STEADY, 0.95).better


def test_where_lower_is_worse_it_is_the_other_way_round() -> None:
    assert gate(STEADY, 0.5, higher_is_worse=False).verdict is Verdict.FAIL
    seen = gate(STEADY, 2.0, higher_is_worse=False)
    assert (seen.verdict, seen.better) == (Verdict.PASS, True)
    assert seen.limit == pytest.approx(0.9)


def test_a_history_that_never_varied_has_its_floors() -> None:
    assert gate([2.0] * 10, 2.19).verdict is Verdict.PASS
    assert gate([2.0] * 10, 2.21).verdict is Verdict.FAIL
    assert gate([0.0] * 10, 0.0005, relative=0.0, absolute=0.001).verdict is Verdict.PASS
    assert gate([0.0] * 10, 0.0011, relative=0.0, absolute=0.001).verdict is Verdict.FAIL


def test_what_is_not_finite_decides_nothing_but_what_is_infinitely_worse() -> None:
    assert gate([1.0] * 10, math.nan).verdict is Verdict.INCONCLUSIVE
    assert gate([1.0] * 10, math.inf).verdict is Verdict.FAIL
    assert gate([1.0] * 9 + [math.nan, math.inf], 5.0).verdict is None


def test_one_wild_run_of_the_past_does_not_widen_the_gate() -> None:
    assert gate([*STEADY, 50.0], 1.2).verdict is Verdict.FAIL


def test_many_gates_are_wider_and_so_are_few_runs() -> None:
    assert gate(STEADY, 1.0, relative=0, gates=7).limit > gate(STEADY, 1.0, relative=0).limit
    few = gate(STEADY[:10], 1.0, relative=0, gates=7)
    assert few.limit > gate(STEADY, 1.0, relative=0, gates=7).limit


def test_healthy_runs_hardly_ever_fail_any_of_seven_gates_and_a_slow_one_mostly_does() -> None:
    false_alarms = found = 0
    for seed in range(300):
        rng = default_rng(seed)
        past, now = rng.lognormal(0, 0.03, (7, 20)), rng.lognormal(0, 0.03, 7)
        false_alarms += any(gate(list(p), x, gates=7).verdict is Verdict.FAIL for p, x in zip(past, now, strict=True))
        found += gate(list(past[0]), now[0] * 1.3, gates=7).verdict is Verdict.FAIL
    assert false_alarms <= 3
    assert found >= 270


values = st.lists(st.floats(-1e6, 1e6), min_size=RUNS_MIN, max_size=30)


@given(past=values, now=st.floats(-1e6, 1e6), worse=st.floats(0, 1e6))
def test_worse_never_passes_where_better_failed(past: list[float], now: float, worse: float) -> None:
    if gate(past, now).verdict is Verdict.FAIL:
        assert gate(past, now + worse).verdict is Verdict.FAIL


@given(past=values, now=st.floats(-1e6, 1e6))
def test_turned_over_the_gate_says_the_same(past: list[float], now: float) -> None:
    one = gate(past, now)
    other = gate([-value for value in past], -now, higher_is_worse=False)
    assert (one.verdict, one.better) == (other.verdict, other.better)
    assert one.limit == pytest.approx(-other.limit)
