import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from harness.criteria.aborts import Abort
from harness.criteria.budget import Budget
from harness.criteria.limits import Statistic, When
from harness.live.watch import P95, Watch, usual
from harness.verdict import Verdict

Tick = Callable[[int], Mapping[str, float]]
MB = 1e6
LIMIT_BYTES = 400 * MB
BUDGET = Budget(memory_ceiling_bytes=LIMIT_BYTES, error_fraction=0.1)


def watch(**changes: Any) -> Watch:
    """Return a watch over a run in its fault phase."""
    fields: dict[str, Any] = {"slowdown_fraction": 0.2, "aftermath_s": 10.0, "aborts": usual(BUDGET)}
    one = Watch(**(fields | changes))
    one.note("phase", name="faults")
    return one


def play(one: Watch, p95_s: Callable[[int], float], ticks: int, *, since: int = 0) -> int | None:
    """Show ticks of a second and return the first with a reason to stop, or None."""
    for n in range(since, since + ticks):
        if one.see(n + 1.0, {P95: p95_s(n), "generator.lag_s_p95": 0.001}):
            return n
    return None


def slow_from(begins: int, ends: float = math.inf, slow_s: float = 3.0) -> Callable[[int], float]:
    return lambda n: slow_s if begins <= n < ends else 1.0


def test_three_slow_windows_in_a_row_are_a_reason_and_two_are_none() -> None:
    assert play(watch(), slow_from(200, 221), 600) is None
    one = watch()
    stopped = play(one, slow_from(200), 600)
    assert stopped is not None
    assert 225 <= stopped <= 235
    assert "3.0 s, 3.0 s, 3.0 s in 3 windows in a row" in one.reason
    assert "allowed 1.2 s, usual 1.0 s" in one.reason
    assert one.verdict is Verdict.INCONCLUSIVE


def test_a_reason_stays() -> None:
    one = watch()
    play(one, slow_from(200), 300)
    told = one.reason
    assert play(one, slow_from(0, 0), 100, since=300) == 300
    assert one.reason == told


def test_a_healthy_run_goes_on() -> None:
    for seed in range(5):
        rng = default_rng(seed)
        noise, level = [], 0.0
        for _ in range(4000):
            level = 0.9 * level + rng.normal(0, 0.035)
            noise.append(math.exp(level + rng.normal(0, 0.1) + (rng.uniform() < 0.02) * rng.exponential(1.0)))
        assert play(watch(slack_s=0.0), noise.__getitem__, len(noise)) is None


def test_a_fault_and_its_aftermath_are_not_held_against_the_run() -> None:
    one = watch()
    assert play(one, slow_from(0, 0), 200) is None
    one.note("fault", step="injected", fault="latency", target="api_postgres")
    one.note("fault", step="proved", fault="latency", target="api_postgres")
    assert play(one, slow_from(0), 200, since=200) is None
    one.note("fault", step="healing", fault="latency", target="api_postgres")
    one.note("fault", step="healed", fault="latency", target="api_postgres")
    assert play(one, slow_from(0), 9, since=400) is None
    assert play(one, slow_from(0), 60, since=409) is not None


def test_while_one_of_two_faults_is_on_nothing_is_held_against_the_run() -> None:
    one = watch()
    play(one, slow_from(0, 0), 200)
    for target in ("api_postgres", "api_redis"):
        one.note("fault", step="injected", fault="down", target=target)
    one.note("fault", step="healed", fault="down", target="api_redis")
    assert play(one, slow_from(0), 200, since=200) is None
    one.note("fault", step="not_healed", fault="down", target="api_postgres")
    assert play(one, slow_from(0), 60, since=400) is not None


@pytest.mark.parametrize("phase", ["steady_state", "warm_up", "drain", "settle"])
def test_outside_the_plateau_nothing_is_slow(phase: str) -> None:
    one = watch()
    play(one, slow_from(0, 0), 200)
    one.note("phase", name=phase)
    assert play(one, slow_from(0), 200, since=200) is None


def test_without_a_phase_nothing_is_calm() -> None:
    one = Watch(slowdown_fraction=0.2, aftermath_s=10.0, aborts=())
    assert play(one, slow_from(200), 400) is None


def test_before_there_is_a_baseline_nothing_is_slow() -> None:
    assert play(watch(), slow_from(0), 600) is None
    assert play(watch(), slow_from(200), 600) is not None


def test_a_late_generator_and_small_times_are_no_slow_service() -> None:
    one = watch()
    for n in range(600):
        late_s = 0.5 if n >= 200 else 0.0
        assert not one.see(n + 1.0, {P95: 1.0 + late_s, "generator.lag_s_p95": late_s})
    assert play(watch(), lambda n: 0.02 if n >= 200 else 0.001, 600) is None


def test_slow_windows_do_not_become_usual() -> None:
    # Two of three windows are slow, from the moment on that there is a baseline.
    assert play(watch(), lambda n: 3.0 if n > 120 and (n - 1) % 30 < 20 else 1.0, 3000) is None
    assert play(one := watch(), lambda n: 3.0 if n > 120 and ((n - 1) % 30 < 20 or n > 2000) else 1.0, 3000) is not None
    assert "usual 1.0 s" in one.reason


@pytest.mark.parametrize(
    ("series", "below", "above", "verdict"),
    [
        ("process.api.rss_bytes", LIMIT_BYTES, LIMIT_BYTES + 1, Verdict.FAIL),
        ("container.redis.memory_bytes", LIMIT_BYTES, LIMIT_BYTES + 1, Verdict.FAIL),
        ("machine.all.memory_fraction", 0.9, 0.91, Verdict.INCONCLUSIVE),
    ],
)
def test_a_broken_ceiling_is_a_reason_once_it_lasts(series: str, below: float, above: float, verdict: Verdict) -> None:
    one = watch()
    values = [below] * 20 + [above] * 9 + [below] + [above] * 10
    seen = [bool(one.see(n + 1.0, {series: value})) for n, value in enumerate(values)]
    assert seen == [False] * 39 + [True]
    assert one.reason.startswith(f"{series}: ")
    assert " in the last of 10 samples in a row until 40.0 s, allowed at most " in one.reason
    assert one.verdict is verdict


@pytest.mark.parametrize("series", ["generator.cpu_s", "worker.3.cpu_s"])
def test_a_generator_that_takes_all_of_its_core_proves_nothing(series: str) -> None:
    idle, busy = watch(), watch()
    assert not any(idle.see(n / 5, {series: 1000 + 0.94 * n / 5}) for n in range(200))
    assert any(busy.see(n / 5, {series: 1000 + 0.97 * n / 5}) for n in range(200))
    assert "increase_per_s 0.97/s in the last of 10 samples in a row" in busy.reason


def test_a_ceiling_holds_during_faults_and_other_figures_have_none() -> None:
    one = watch()
    one.note("fault", step="injected", fault="down", target="api_redis")
    assert not any(one.see(n + 1.0, {"process.api.vms_bytes": 1e12}) for n in range(100))
    assert any(one.see(n + 101.0, {"process.api.rss_bytes": 1e12}) for n in range(100))


def test_the_budget_says_what_it_watches_for() -> None:
    one = Watch.over(Budget(slowdown_fraction=1.0, memory_ceiling_bytes=1e6))
    one.note("phase", name="faults")
    assert play(one, slow_from(200, slow_s=1.9), 600) is None
    assert any(one.see(n + 601.0, {"process.api.rss_bytes": 2e6}) for n in range(11))


events = st.sampled_from(
    [("phase", {"name": "faults"}), ("phase", {"name": "drain"})]
    + [("fault", {"step": s, "fault": "down", "target": "a"}) for s in ("injected", "healed", "not_healed")]
)
steps = st.lists(st.floats(0.5, 1.15) | st.none() | events, max_size=300)


@settings(max_examples=50)
@given(steps)
def test_what_stays_within_the_slowdown_allowed_never_stops_a_run(told: list[Any]) -> None:
    one, t_s = watch(width_s=2.0), 0.0
    for step in told:
        if isinstance(step, tuple):
            one.note(step[0], **step[1])
            continue
        t_s += 1.0
        # All within what the slack alone allows.
        assert not one.see(t_s, {} if step is None else {P95: step * 0.05})


def named(series: str, *, level: float, when: When, **changes: Any) -> Watch:
    """Return a watch in which nothing but one abort ends a run: a series above `level` for two windows of 5 s."""
    abort = Abort(
        series=series, statistic=Statistic.MEAN, max=level, window_s=5.0, windows_in_a_row=2, when=when, **changes
    )
    return Watch(slowdown_fraction=0.2, aftermath_s=10.0, aborts=[abort])


def held(one: Watch, value: float, *, begins: int, ticks: int) -> bool:
    """Show a value for so many ticks and return whether that ended the run."""
    return any(one.see(n + 1.0, {"witness.redis.keys": value}) for n in range(begins, begins + ticks))


def broken(one: Watch, *steps: str) -> None:
    for step in steps:
        one.note("fault", step=step, fault="down", target="api_redis")


def test_a_profile_s_abort_ends_a_run_with_its_verdict() -> None:
    one = named("witness.*.keys", level=7, when=When.WARM, verdict=Verdict.FAIL)
    assert not held(one, 8.0, begins=0, ticks=30), "it is not warm yet"
    one.note("phase", name="faults")
    assert held(one, 8.0, begins=30, ticks=11)
    assert one.verdict is Verdict.FAIL
    told = "mean 8 in the last of 2 windows of 5.0 s in a row until 41.0 s, allowed at most 7 after warm-up"
    assert one.reason == f"witness.redis.keys: {told}"


def test_what_holds_after_a_heal_is_not_asked_for_before_it_or_during_a_fault() -> None:
    one = named("witness.redis.keys", level=7, when=When.HEALED)
    one.note("phase", name="faults")
    assert not held(one, 8.0, begins=0, ticks=30)
    broken(one, "injected")
    assert not held(one, 8.0, begins=30, ticks=30)
    broken(one, "healed")
    assert not held(one, 8.0, begins=60, ticks=10)
    broken(one, "injected")
    assert not held(one, 8.0, begins=70, ticks=30), "what was bad before the second fault counts no more"
    broken(one, "healed")
    assert held(one, 8.0, begins=100, ticks=12)
    assert one.reason.endswith("allowed at most 7 after a heal")


def test_what_was_not_healed_is_no_heal() -> None:
    one = named("witness.redis.keys", level=7, when=When.HEALED)
    one.note("phase", name="faults")
    broken(one, "injected", "not_healed")
    assert not held(one, 8.0, begins=0, ticks=60)


def test_what_holds_during_a_fault_is_asked_for_then_alone() -> None:
    one = named("witness.redis.keys", level=7, when=When.FAULTED)
    one.note("phase", name="faults")
    assert not held(one, 8.0, begins=0, ticks=30)
    broken(one, "injected")
    assert held(one, 8.0, begins=30, ticks=12)


def test_the_calm_begins_when_the_aftermath_is_over() -> None:
    one = named("witness.redis.keys", level=7, when=When.CALM)
    one.note("phase", name="faults")
    broken(one, "injected", "healed")
    assert not held(one, 8.0, begins=0, ticks=20)
    assert held(one, 8.0, begins=20, ticks=5)


@pytest.mark.parametrize("phase", ["steady_state", "warm_up", "drain", "settle"])
def test_outside_the_plateau_it_is_not_warm(phase: str) -> None:
    one = named("witness.redis.keys", level=7, when=When.WARM)
    one.note("phase", name=phase)
    assert not held(one, 8.0, begins=0, ticks=60)


def test_errors_that_go_on_in_the_calm_end_a_run_without_deciding_it() -> None:
    # The budget allows a tenth, so nine tenths are to be good, and half of that must be.
    for good, ends in ((0.46, False), (0.44, True)):
        one = watch()
        seen = [bool(one.see(n + 1.0, {"load.all.good_fraction": good})) for n in range(31)]
        assert seen == [False] * 30 + [ends]
        assert one.verdict is Verdict.INCONCLUSIVE
    assert not Watch.over(Budget(error_fraction=1.0)).see(99.0, {"load.all.good_fraction": 0.0})


def test_a_machine_that_is_busy_for_a_minute_proves_nothing_and_a_busy_spell_ends_no_run() -> None:
    for spell, ends in ((59, False), (61, True)):
        one = watch()
        busy = [1.0 if 50 <= n < 50 + spell else 0.5 for n in range(150)]
        assert any(one.see(n + 1.0, {"machine.all.cpu_fraction": share}) for n, share in enumerate(busy)) is ends
        assert one.verdict is Verdict.INCONCLUSIVE


def test_an_abort_that_watches_nothing_is_known() -> None:
    asked = [
        Abort(series=series, statistic=Statistic.MAX, max=7, when=When.HEALED)
        for series in ("witness.*.keys", "witness.x.y")
    ]
    one = Watch.over(Budget(), asked)
    assert list(one.unwatched) == ["witness.*.keys", "witness.x.y"]
    one.see(1.0, {"witness.redis.keys": 1.0})
    assert list(one.unwatched) == ["witness.x.y"]


def test_the_first_reason_stays_with_its_verdict() -> None:
    aborts = [
        Abort(
            series="witness.redis.keys",
            statistic=Statistic.MAX,
            max=7,
            window_s=2.0,
            windows_in_a_row=1,
            when=When.ALL,
            verdict=verdict,
        )
        for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE)
    ]
    one = Watch.over(Budget(), aborts)
    assert held(one, 8.0, begins=0, ticks=20)
    assert one.verdict is Verdict.FAIL
