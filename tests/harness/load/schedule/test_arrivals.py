import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.load.schedule.arrivals import Ramp, Sine, Spike, Stage, constant, schedule, steps

rates = st.floats(0, 200).map(lambda r: round(r, 2))
lengths = st.floats(0, 10).map(lambda s: round(s, 2))
ramps = st.builds(Ramp, rates, rates, lengths)
spikes = st.builds(Spike, st.integers(0, 50))
sines = st.builds(
    lambda mean, share, period_s, for_s: Sine(mean, mean * share, period_s, for_s),
    *(rates, st.floats(0, 1), st.floats(0.1, 20), lengths),
)
plans = st.lists(ramps | spikes | sines, max_size=5)


def rate_per_s(stage: Stage, t_s: float) -> float:
    """Return a stage's rate at one moment."""
    if isinstance(stage, Ramp):
        return stage.from_per_s + (stage.to_per_s - stage.from_per_s) * (t_s / stage.for_s)
    assert isinstance(stage, Sine)
    return stage.mean_per_s + stage.swing_per_s * math.sin(2 * math.pi * t_s / stage.period_s)


def due_by(stages: Sequence[Stage], t_s: float) -> float:
    """Return the integral of the rate from 0 to `t_s`: the oracle, by Simpson's rule; a spike counts as whole."""
    total = begins_s = 0.0
    for stage in stages:
        if isinstance(stage, Spike):
            total += stage.count if begins_s <= t_s else 0
            continue
        within_s = min(max(t_s - begins_s, 0.0), stage.for_s)
        cuts = 400 + int(60 * within_s / stage.period_s) if isinstance(stage, Sine) else 400
        for n in range(cuts if within_s else 0):
            a, b = within_s * n / cuts, within_s * (n + 1) / cuts
            middle = rate_per_s(stage, (a + b) / 2)
            total += (b - a) / 6 * (rate_per_s(stage, a) + 4 * middle + rate_per_s(stage, b))
        begins_s += stage.for_s
    return total


@given(plans)
def test_arrivals_never_descend_and_stay_within_the_plan(stages: list[Stage]) -> None:
    arrivals = list(schedule(*stages))
    assert arrivals == sorted(arrivals)
    ends_s = sum(stage.for_s for stage in stages)
    assert all(0 <= t <= ends_s + 1e-9 for t in arrivals)


@settings(max_examples=50, deadline=None)
@given(plans)
def test_there_are_as_many_as_the_rate_integrates_to(stages: list[Stage]) -> None:
    total = due_by(stages, math.inf)
    assert sum(stage.arrivals for stage in stages) == pytest.approx(total, abs=1e-4)
    assert abs(len(list(schedule(*stages))) - total) <= 1 + 1e-4


@settings(max_examples=50, deadline=None)
@given(plans)
def test_arrival_n_is_due_where_the_integral_reaches_n(stages: list[Stage]) -> None:
    smooth = [stage for stage in stages if not isinstance(stage, Spike)]
    for n, t_s in itertools.islice(enumerate(schedule(*smooth)), 0, None, 29):
        # Near a rate of nothing the time is ill conditioned, the integral never is.
        assert due_by(smooth, t_s) == pytest.approx(n, abs=1e-4)


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


def test_a_rush_begins_and_ends_on_the_second() -> None:
    arrivals = list(schedule(constant(10, 5), constant(100, 2), constant(10, 5)))
    assert [sum(1 for t in arrivals if a <= t + 1e-9 < b) for a, b in ((0, 5), (5, 7), (7, 12))] == [50, 200, 50]


def test_a_ramp_from_nothing_takes_its_time() -> None:
    arrivals = list(schedule(Ramp(0, 10, 10)))
    assert len(arrivals) == 50
    assert arrivals[:2] == pytest.approx([0.0, math.sqrt(2)])
    assert list(schedule(Ramp(10, 0, 10)))[-1] == pytest.approx(10 - math.sqrt(2))


def test_nothing_is_due_where_there_is_no_load() -> None:
    assert list(schedule()) == list(schedule(constant(0, 10), constant(5, 0))) == []
    # A pause moves what follows, whole.
    assert list(schedule(constant(0, 10), constant(1, 2))) == [10.0, 11.0]


def test_a_spike_is_due_at_one_moment_and_takes_no_time() -> None:
    arrivals = list(schedule(constant(1, 3), Spike(5), constant(1, 2)))
    assert arrivals == [0.0, 1.0, 2.0, *[3.0] * 5, 3.0, 4.0]
    assert list(schedule(Spike(500))) == [0.0] * 500


def test_a_staircase_stands_on_each_step() -> None:
    stairs = steps(10, 50, 5, 2.0)
    assert [(stage.from_per_s, stage.to_per_s) for stage in stairs] == [(r, r) for r in (10, 20, 30, 40, 50)]
    arrivals = list(schedule(*stairs))
    assert [sum(1 for t in arrivals if a <= t + 1e-9 < a + 2) for a in (0, 2, 4, 6, 8)] == [20, 40, 60, 80, 100]
    with pytest.raises(ValueError, match="at least 2 steps"):
        steps(1, 2, 1, 1.0)


def test_a_sine_swings_about_its_mean() -> None:
    day = list(schedule(Sine(10, 8, 24, 24)))
    assert len(day) == pytest.approx(240, abs=1)
    up, down = sum(1 for t in day if t < 12), sum(1 for t in day if t >= 12)
    # The integral of a half period is mean * 12 +- swing * 24 / pi.
    assert up == pytest.approx(120 + 8 * 24 / math.pi, abs=1)
    assert down == pytest.approx(120 - 8 * 24 / math.pi, abs=1)


@given(plan=plans, seed=st.integers(0, 2**64))
def test_random_arrivals_repeat_with_their_seed_and_never_descend(plan: list[Stage], seed: int) -> None:
    arrivals = list(schedule(*plan, poisson_seed=seed))
    assert arrivals == list(schedule(*plan, poisson_seed=seed))
    assert arrivals == sorted(arrivals)
    assert all(0 <= t <= sum(stage.for_s for stage in plan) + 1e-9 for t in arrivals)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), rate=st.floats(5, 50))
def test_random_arrivals_are_poisson(seed: int, rate: float) -> None:
    """Counts of equal stretches have the mean and the variance of the rate, however the rate moves."""
    for_s = 4000 / rate
    gaps = np.diff(list(schedule(constant(rate, for_s), poisson_seed=seed)))
    # Some 4000 exponential draws: six standard deviations of their mean, and of their variance.
    assert float(np.mean(gaps)) * rate == pytest.approx(1, abs=6 / 4000**0.5)
    assert float(np.var(gaps)) * rate**2 == pytest.approx(1, abs=6 * (8 / 4000) ** 0.5)
    ramped = list(schedule(Ramp(0, rate, 2 * for_s), poisson_seed=seed))
    early = sum(1 for t in ramped if t < for_s)
    assert early == pytest.approx(1000, abs=6 * 1000**0.5)
    assert len(ramped) - early == pytest.approx(3000, abs=6 * 3000**0.5)


def test_two_seeds_give_two_random_schedules() -> None:
    one, other = (list(schedule(constant(50, 2), poisson_seed=seed)) for seed in (1, 2))
    assert one != other


@pytest.mark.parametrize("broken", [(-1, 0, 1), (0, -1, 1), (0, 0, -1), (math.nan, 1, 1), (1, math.inf, 1)])
def test_a_stage_that_cannot_be_is_refused(broken: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        Ramp(*broken)


@pytest.mark.parametrize("broken", [(10, 11, 1, 1), (-1, 0, 1, 1), (1, 1, 0, 1), (1, 1, math.inf, 1), (1, 0, 1, -1)])
def test_a_sine_that_cannot_be_is_refused(broken: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"finite and not negative|period_s|swing_per_s"):
        Sine(*broken)


def test_a_spike_of_less_than_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        Spike(-1)
