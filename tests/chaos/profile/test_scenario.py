"""Scenarios: one frozen value that scales in time only, takes overrides whole, and refuses to contradict itself."""

from __future__ import annotations

import dataclasses
from itertools import pairwise, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.faults.links.down import DownFault
from chaos.faults.links.latency import LatencyFault
from chaos.profile.scenario import Phases, Scenario
from chaos.profile.timeline import At, Every, TimelineEntry
from harness.criteria.budget import Budget
from harness.errors import InputError
from harness.load.load_table import LoadTable
from harness.load.schedule.arrivals import Ramp, Sine, Spike, Stage, constant, schedule, steps
from harness.load.schedule.mix import Mix
from harness.load.settings import LoadSettings
from harness.tables import validate
from tests.chaos.profile.test_timeline import timelines

MIX = Mix({"rpc_echo": 1.0})
PHASES = Phases(steady_s=10, warm_up_s=30, faults_s=60, hold_s=30, drain_s=10)
SCALES = st.integers(1, 10_000).map(lambda n: n / 1000)


def scenario(*timeline: TimelineEntry, rate_per_s: float = 100.0, phases: Phases = PHASES) -> Scenario:
    return Scenario("s", LoadSettings(rate_per_s, MIX), phases=phases, timeline=timeline)


def test_a_fault_may_last_to_the_end_of_its_phase_and_no_longer() -> None:
    assert len(scenario(At(50, 10, DownFault("a"))).planned(7)) == 1
    with pytest.raises(ValueError, match=r"^s: the last fault heals after the fault phase of 60 s"):
        scenario(At(50, 10.5, DownFault("a")))


def test_a_timeline_that_contradicts_itself_is_refused_when_it_is_written() -> None:
    with pytest.raises(ValueError, match="must not overlap"):
        scenario(At(0, 10, DownFault("a")), At(5, 10, LatencyFault("a", 0.1)))


@given(timelines(), SCALES)
def test_scaling_stretches_time_and_nothing_else(entries: list[At], time_scale: float) -> None:
    # The phase ends with the last heal: what rounding adds must not push a fault beyond it.
    phases = Phases(faults_s=max((e.at_s + e.for_s for e in entries), default=1.0))
    before = scenario(*entries, phases=phases)
    after = before.scaled(time_scale)
    assert (after.load, after.budget) == (before.load, before.budget)
    assert after.phases.drain_s == phases.drain_s
    assert after.phases.warm_up_s == pytest.approx(phases.warm_up_s * time_scale)
    assert after.phases.faults_s == pytest.approx(phases.faults_s * time_scale)
    assert [p.fault for p in after.planned(7)] == [p.fault for p in before.planned(7)]
    for one, other in zip(before.planned(7), after.planned(7), strict=True):
        assert other.inject_s == pytest.approx(one.inject_s * time_scale, abs=2e-6)
        assert other.heal_s == pytest.approx(one.heal_s * time_scale, abs=2e-6)


def test_overrides_are_taken_in_si_units() -> None:
    load = validate(LoadTable, {"rate_per_s": 7, "deadline_s": "250 ms"})
    changed = scenario().overridden("f.toml", load=load, operations={}, budget=Budget(recovery_s=120.0))
    assert (changed.load.rate_per_s, changed.load.deadline_s, changed.budget.recovery_s) == (7.0, 0.25, 120.0)
    assert changed.budget.error_fraction == Budget().error_fraction
    assert changed.load.mix is MIX


def test_every_rule_that_the_whole_load_breaks_is_reported() -> None:
    load = LoadTable(mix=Mix({"rpc_ehco": 1}), deadlines_s={"nothing": 1.0})
    with pytest.raises(ExceptionGroup) as refused:
        scenario().overridden("f.toml", load=load, operations={}, budget=Budget())
    errors = [error for error in refused.value.exceptions if isinstance(error, InputError)]
    assert {(error.source, error.key) for error in errors} == {
        ("f.toml", "load.mix.rpc_ehco"),
        ("f.toml", "load.deadlines_s.nothing"),
    }


def test_overriding_nothing_changes_nothing() -> None:
    assert scenario().overridden("f.toml", load=LoadTable(), operations={}, budget=Budget()) == scenario()


@given(st.floats(1, 1e4), SCALES)
def test_the_stages_join_without_a_jump_and_outlast_the_run(rate_per_s: float, time_scale: float) -> None:
    scaled = scenario(rate_per_s=rate_per_s).scaled(time_scale)
    stages, phases = scaled.stages(), scaled.phases
    ramps = [stage for stage in stages if isinstance(stage, Ramp)]
    assert len(ramps) == len(stages)
    assert all(one.to_per_s == other.from_per_s for one, other in pairwise(ramps))
    assert ramps[-1].to_per_s == rate_per_s
    assert stages[0].for_s == phases.steady_s
    total_s = sum(stage.for_s for stage in stages)
    assert total_s > 5 * (phases.steady_s + phases.warm_up_s + phases.faults_s + phases.hold_s)


def test_a_shape_comes_after_the_climb_and_is_stretched_with_the_rest() -> None:
    shape: tuple[Stage, ...] = (constant(100, 20), Spike(500), *steps(100, 300, 3, 10), Sine(100, 50, 30, 60))
    one = dataclasses.replace(scenario(), shape=shape)
    assert one.stages()[2:-1] == shape
    half = one.scaled(0.5).stages()[2:-1]
    assert [stage.for_s for stage in half] == [stage.for_s / 2 for stage in shape]
    assert sum(stage.arrivals for stage in half) == pytest.approx(500 + (sum(s.arrivals for s in shape) - 500) / 2)


def test_the_full_rate_is_reached_within_warm_up() -> None:
    _, climb, _ = scenario().stages()
    assert climb.for_s <= PHASES.warm_up_s
    due_s = takewhile(lambda t_s: t_s < 40, schedule(*scenario(rate_per_s=10.0).stages()))
    assert len([t_s for t_s in due_s if t_s >= 30]) == pytest.approx(100, abs=1)


def test_a_scale_is_of_what_was_written_and_not_of_what_was_scaled() -> None:
    one = scenario(At(10, 20, DownFault("a")))
    half = one.scaled(0.5)
    assert half.scaled(0.5) == half
    assert half.scaled(1.0).planned(1) == one.planned(1)
    assert half.scaled(2.0).phases == one.scaled(2.0).phases


def test_a_timeline_that_some_seed_would_draw_beyond_its_phase_is_refused() -> None:
    spread = Every(0.0, 20.0, 5.0, DownFault("a"), times=3, spread_s=15.0)
    assert len(scenario(spread).planned(1)) == 3
    with pytest.raises(ValueError, match="the last fault heals after the fault phase"):
        scenario(spread, phases=dataclasses.replace(PHASES, faults_s=59.0))
