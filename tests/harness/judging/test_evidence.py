import dataclasses
from pathlib import Path

import pytest

from harness.stats.recovery import Recovery
from tests.harness.runs import TICKS, WARM_S, Tick, always, but, canary, evidence, fault, healthy


def calm_s(run: object) -> list[float]:
    """Return the ends of the calm ticks."""
    return [float(t) for t, calm in zip(run.series.t_s, run.calm, strict=True) if calm]  # type: ignore[attr-defined]


def test_a_run_without_faults_is_calm_from_warm_up_to_the_end_of_load(tmp_path: Path) -> None:
    run = evidence(tmp_path, load_end_s=100.0)
    assert calm_s(run) == [float(t) for t in range(int(WARM_S) + 1, 101)]
    assert run.recoveries == {}


def test_what_is_left_out_is_the_time_of_ticks_in_which_the_generator_was_late(tmp_path: Path) -> None:
    run = evidence(tmp_path, but(lambda n: n in {60, 61}, generator__lag_s_p95=0.5))
    assert run.left_out_s(50.0, 61.5) == pytest.approx(1.5)
    assert run.left_out_s(62.0, 80.0) == 0.0


def test_a_fault_and_its_aftermath_are_not_calm(tmp_path: Path) -> None:
    # Down from 40 to 50, bad until 53, good from the window that ends at 54.
    down = fault(40.0, 50.0)
    run = evidence(
        tmp_path, but(lambda n: 40 <= n < 53, load__cache_get__ok=0, load__cache_get__reset=100), faults=[down]
    )
    seen = run.recoveries[down]
    assert (seen.last_bad_s, seen.recovery_s) == (3.0, 4.0)
    assert calm_s(run) == [float(t) for t in [*range(21, 41), *range(55, TICKS + 1)]]


def test_a_fault_that_never_healed_leaves_no_calm_after_it(tmp_path: Path) -> None:
    run = evidence(tmp_path, faults=[fault(60.0, None)])
    assert calm_s(run)[-1] == 60.0
    assert run.recoveries == {}


def test_what_never_recovered_leaves_no_calm_after_it(tmp_path: Path) -> None:
    down = fault(60.0, 70.0)
    run = evidence(tmp_path, but(lambda n: n >= 60, load__cache_get__reset=500), faults=[down])
    assert run.recoveries[down].recovery_s is None
    assert run.recoveries[down].observed_s == TICKS - 70.0
    assert calm_s(run)[-1] == 60.0


def test_the_next_fault_ends_what_is_seen_of_a_recovery(tmp_path: Path) -> None:
    first, second = fault(40.0, 50.0), fault(56.0, 60.0)
    run = evidence(tmp_path, but(lambda n: 40 <= n < 60, load__cache_get__reset=500), faults=[first, second])
    assert run.recoveries[first].recovery_s is None
    assert run.recoveries[first].observed_s == pytest.approx(6.0)
    assert run.recoveries[second].recovery_s == pytest.approx(1.0)


def test_the_baseline_is_what_came_after_warm_up_and_before_the_first_fault(tmp_path: Path) -> None:
    # Slow while it warms up: a band that took that in would call 0.3 s healthy.
    down = fault(40.0, 50.0)

    def tick(n: int) -> dict[str, float]:
        return healthy(n) | ({"load.all.response_s_p95": 0.3} if n < WARM_S or 40 <= n < 60 else {})

    run = evidence(tmp_path, tick, faults=[down])
    assert run.recoveries[down].recovery_s == pytest.approx(11.0)


def test_without_a_baseline_there_is_no_recovery_to_speak_of(tmp_path: Path) -> None:
    assert evidence(tmp_path, but(always), faults=[fault(10.0, 15.0)]).recoveries == {}


def test_what_overlaps_recovers_from_the_last_heal(tmp_path: Path) -> None:
    long, short = fault(40.0, 60.0), fault(45.0, 48.0)
    run = evidence(tmp_path, but(lambda n: 40 <= n < 62, load__cache_get__reset=500), faults=[long, short])
    assert run.recoveries[long].recovery_s == run.recoveries[short].recovery_s == pytest.approx(3.0)
    assert calm_s(run)[-1] == TICKS
    assert not [t_s for t_s in calm_s(run) if 41 <= t_s <= 63]


def test_faults_that_overlap_one_through_another_are_one_disturbance(tmp_path: Path) -> None:
    faults = [fault(40.0, 50.0), fault(48.0, 58.0), fault(56.0, 66.0)]
    run = evidence(tmp_path, but(lambda n: 40 <= n < 66, load__cache_get__reset=500), faults=faults)
    assert [run.recoveries[f].recovery_s for f in faults] == [1.0] * 3


def test_what_a_caller_gave_up_counts_among_what_the_services_were_asked(tmp_path: Path) -> None:
    run = evidence(tmp_path, but(always, load__cache_get__cancelled=7, load__cache_get__dropped=9), ticks=3)
    assert run.requests.tolist() == [207, 414, 621]


def bad_until(tick: int) -> Tick:
    return but(lambda n: 40 <= n < tick, load__cache_get__reset=500)


def test_a_recovery_is_over_when_the_canary_is_answered_for_good_and_latency_is_back(tmp_path: Path) -> None:
    down = fault(40.0, 50.0)
    for number, (lasting_s, whole_s) in enumerate([(0.5, 3.0), (4.5, 4.5)]):
        run = evidence(
            tmp_path / str(number), bad_until(52), faults=[down], events=[canary(50.01, 0.1, lasting_s, last_bad_s=0.4)]
        )
        parts = run.parts[down]
        assert parts.first_success == Recovery(0.0, 0.1, 30.0)
        assert (parts.latency.recovery_s, run.recoveries[down].recovery_s) == (3.0, whole_s)
        # What is calm begins when all of it is over.
        assert min(t_s for t_s in calm_s(run) if t_s > 50) == 50 + whole_s // 1 + (1 if whole_s % 1 == 0 else 2)


def test_a_canary_that_never_was_answered_for_good_leaves_a_recovery_open(tmp_path: Path) -> None:
    down = fault(40.0, 50.0)
    run = evidence(tmp_path, faults=[down], events=[canary(50.0, 0.1, None, last_bad_s=29.9)])
    assert run.recoveries[down] == Recovery(29.9, None, 70.0)


def test_what_a_canary_saw_amid_another_fault_is_told_and_the_last_one_tells_of_the_recovery(tmp_path: Path) -> None:
    long, short = dataclasses.replace(fault(40.0, 60.0), target="api_postgres"), fault(45.0, 48.0)
    words = [
        canary(48.0, 12.1, 12.1, last_bad_s=12.0, amid=["down api_postgres"]),
        canary(60.0, 0.1, 7.5, last_bad_s=7.4, target="api_postgres"),
    ]
    run = evidence(tmp_path, bad_until(62), faults=[long, short], events=words)
    assert run.parts[short].lasting == Recovery(12.0, 12.1, 30.0)
    assert run.recoveries[short].recovery_s == pytest.approx(3.0)
    assert run.recoveries[long].recovery_s == pytest.approx(7.5)


def test_resources_are_held_against_the_minute_before_the_fault(tmp_path: Path) -> None:
    """A cache that filled early is no reason to take as much for usual later, nor what the fault before left."""

    def tick(n: int) -> dict[str, float]:
        fds = 200.0 if n < 20 else 60.0 if 85 <= n < 103 else 90.0 if 35 <= n < 45 else 30.0
        return healthy(n) | {"process.api.fds": fds}

    first, second = fault(35.0, 44.0), fault(85.0, 100.0)
    run = evidence(tmp_path, tick, faults=[first, second], warm_s=10.0)
    # What was usual before the first took in all of the 200.
    assert run.parts[first].resources["process.api.fds"] == Recovery(0, 1, 41)
    assert run.parts[second].resources["process.api.fds"] == Recovery(3, 4, 20)
    assert set(run.parts[first].resources) == {"process.api.fds", "process.api.rss_bytes", "process.api.children"}
