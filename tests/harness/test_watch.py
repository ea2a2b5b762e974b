import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from harness.budget import Budget
from harness.verdict import Verdict
from harness.watch import P95, Watch, ceilings

Tick = Callable[[int], Mapping[str, float]]
MB = 1e6
LIMIT_BYTES = 400 * MB


def watch(**changes: Any) -> Watch:
    """Return a watch over a run in its fault phase."""
    fields: dict[str, Any] = {"slowdown_fraction": 0.2, "aftermath_s": 10.0, "ceilings": ceilings(LIMIT_BYTES)}
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
    assert 225 <= stopped <= 245
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
    one = Watch(slowdown_fraction=0.2, aftermath_s=10.0, ceilings=())
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
    assert one.reason.startswith(f"{series} above ")
    assert one.reason.endswith("at 40.0 s")
    assert one.verdict is verdict


@pytest.mark.parametrize("series", ["generator.cpu_s", "worker.3.cpu_s"])
def test_a_generator_that_takes_all_of_its_core_proves_nothing(series: str) -> None:
    idle, busy = watch(), watch()
    assert not any(idle.see(n / 5, {series: 1000 + 0.94 * n / 5}) for n in range(200))
    assert any(busy.see(n / 5, {series: 1000 + 0.97 * n / 5}) for n in range(200))
    assert "above 95% for 10 ticks" in busy.reason


def test_a_ceiling_holds_during_faults_and_other_figures_have_none() -> None:
    one = watch()
    one.note("fault", step="injected", fault="down", target="api_redis")
    assert not any(one.see(n + 1.0, {"process.api.vms_bytes": 1e12}) for n in range(100))
    assert any(one.see(n + 101.0, {"process.api.rss_bytes": 1e12}) for n in range(100))


def test_the_budget_says_what_it_watches_for() -> None:
    one = Watch.over(Budget(slowdown_fraction=1.0, memory_ceiling_bytes=1e6))
    one.note("phase", name="faults")
    assert play(one, slow_from(200, slow_s=1.9), 600) is None
    assert any(one.see(n + 601.0, {"process.api.rss_bytes": 2e6}) for n in range(10))


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
