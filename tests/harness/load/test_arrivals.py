import itertools
import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.load.arrivals import Stage, constant, ramp, schedule

rates = st.floats(0, 200).map(lambda r: round(r, 2))
lengths = st.floats(0, 10).map(lambda s: round(s, 2))
plans = st.lists(st.builds(Stage, rates, rates, lengths), max_size=5)


def due_by(stages: list[Stage], t_s: float) -> float:
    """Return the integral of the rate from 0 to `t_s`: the oracle, by plain geometry."""
    total = begins_s = 0.0
    for stage in stages:
        within_s = min(max(t_s - begins_s, 0.0), stage.for_s)
        share = within_s / stage.for_s if stage.for_s else 0.0
        now_per_s = stage.from_per_s + (stage.to_per_s - stage.from_per_s) * share
        total += (stage.from_per_s + now_per_s) / 2 * within_s
        begins_s += stage.for_s
    return total


@given(plans)
def test_arrivals_never_descend_and_stay_within_the_plan(stages: list[Stage]) -> None:
    arrivals = list(schedule(*stages))
    assert arrivals == sorted(arrivals)
    ends_s = sum(stage.for_s for stage in stages)
    assert all(0 <= t <= ends_s + 1e-9 for t in arrivals)


@settings(max_examples=50)
@given(plans)
def test_there_are_as_many_as_the_rate_integrates_to(stages: list[Stage]) -> None:
    total = due_by(stages, math.inf)
    assert abs(len(list(schedule(*stages))) - total) <= 1


@settings(max_examples=50)
@given(plans)
def test_arrival_n_is_due_where_the_integral_reaches_n(stages: list[Stage]) -> None:
    for n, t_s in enumerate(schedule(*stages)):
        # Near a rate of nothing the time is ill conditioned, the integral never is.
        assert due_by(stages, t_s) == pytest.approx(n, abs=1e-6)


@given(rate=st.floats(0.1, 10_000), n=st.integers(0, 5_000))
def test_a_constant_stage_does_not_drift(rate: float, n: int) -> None:
    assume(n / rate < 3600)
    t_s = next(itertools.islice(schedule(constant(rate, 3600.0)), n, None))
    assert t_s == pytest.approx(n / rate, rel=1e-12, abs=1e-12)


@settings(max_examples=50)
@given(rate=st.floats(1, 100), lengths=st.lists(st.floats(0.01, 5), min_size=1, max_size=6))
def test_stages_of_one_rate_join_without_a_gap_or_a_burst(rate: float, lengths: list[float]) -> None:
    arrivals = list(schedule(*(constant(rate, for_s) for for_s in lengths)))
    for earlier, later in itertools.pairwise(arrivals):
        assert later - earlier == pytest.approx(1 / rate, rel=1e-6)


def test_a_spike_begins_and_ends_on_the_second() -> None:
    arrivals = list(schedule(constant(10, 5), constant(100, 2), constant(10, 5)))
    assert [sum(1 for t in arrivals if a <= t + 1e-9 < b) for a, b in ((0, 5), (5, 7), (7, 12))] == [50, 200, 50]


def test_a_ramp_from_nothing_takes_its_time() -> None:
    arrivals = list(schedule(ramp(0, 10, 10)))
    assert len(arrivals) == 50
    assert arrivals[:2] == pytest.approx([0.0, math.sqrt(2)])
    assert list(schedule(ramp(10, 0, 10)))[-1] == pytest.approx(10 - math.sqrt(2))


def test_nothing_is_due_where_there_is_no_load() -> None:
    assert list(schedule()) == list(schedule(constant(0, 10), constant(5, 0))) == []
    # A pause moves what follows, whole.
    assert list(schedule(constant(0, 10), constant(1, 2))) == [10.0, 11.0]


@pytest.mark.parametrize("broken", [(-1, 0, 1), (0, -1, 1), (0, 0, -1), (math.nan, 1, 1), (1, math.inf, 1)])
def test_a_stage_that_cannot_be_is_refused(broken: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        Stage(*broken)
