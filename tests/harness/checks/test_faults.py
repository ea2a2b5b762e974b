from pathlib import Path

import pytest

from harness.budget import Budget
from harness.checks.faults import check_faults, check_recovery, check_services_alive
from harness.records import Event
from harness.verdict import Verdict
from tests.harness.runs import TICKS, Tick, but, evidence, fault, healthy

BUDGET = Budget(recovery_s=10.0)


def test_every_fault_and_the_timeline_have_a_finding(tmp_path: Path) -> None:
    faults = [fault(40.0, 50.0), fault(60.0, 70.0, proved_s=None, note="no canary failed"), fault(80.0, None)]
    told = check_faults(evidence(tmp_path, faults=faults, planned_faults=4))
    assert [(f.where, f.verdict.value) for f in told] == [
        ("down api_redis", "PASS"),
        ("down api_redis", "INCONCLUSIVE"),
        ("down api_redis", "INCONCLUSIVE"),
        ("timeline", "INCONCLUSIVE"),
    ]
    assert told[0].observed == "proved at 41.0 s, healed at 50.0 s"
    assert told[1].message == "fault down api_redis: no effect seen: no canary failed"
    assert told[3].message == "3 of 4 planned faults were played"


def test_a_run_with_no_fault_planned_and_none_played_is_as_planned(tmp_path: Path) -> None:
    (finding,) = check_faults(evidence(tmp_path))
    assert finding.verdict is Verdict.PASS


def test_each_service_that_ended_is_a_failure_of_its_own(tmp_path: Path) -> None:
    events = [
        Event(12.5, "service_gone", {"service": "redis"}),
        Event(13.0, "probe_late", {"service": "api", "error": "denied"}),
        Event(99.0, "service_gone", {"service": "auth"}),
    ]
    told = check_services_alive(evidence(tmp_path, events=events))
    assert [(f.where, f.verdict.value) for f in told] == [("redis", "FAIL"), ("auth", "FAIL")]
    assert told[0].message == "redis ended by itself at 12.5 s; its log is in the run folder"


def test_services_that_lived_pass(tmp_path: Path) -> None:
    (finding,) = check_services_alive(evidence(tmp_path, events=[Event(1.0, "phase", {"name": "warm_up"})]))
    assert finding.verdict is Verdict.PASS


def bad_until(tick: int) -> Tick:
    return but(lambda n: 40 <= n < tick, load__cache_get__reset=900)


@pytest.mark.parametrize(
    ("bad_until_tick", "verdict", "observed"),
    [
        (40, "PASS", "1.0 s (last bad 0.0 s)"),
        (59, "PASS", "10.0 s (last bad 9.0 s)"),
        (60, "FAIL", "11.0 s (last bad 10.0 s)"),
        # Seen to be bad beyond the budget, and not seen to recover.
        (115, "FAIL", "> 70.0 s (no 9 good of 10 windows)"),
        (TICKS, "FAIL", "> 70.0 s (no 9 good of 10 windows)"),
    ],
)
def test_recovery_is_held_against_the_budget(tmp_path: Path, bad_until_tick: int, verdict: str, observed: str) -> None:
    (finding,) = check_recovery(evidence(tmp_path, bad_until(bad_until_tick), faults=[fault(40.0, 50.0)]), BUDGET)
    assert (finding.verdict.value, finding.observed) == (verdict, observed)


@pytest.mark.parametrize("bad_until_tick", [106, 110, 113, 115])
def test_a_run_that_ended_while_it_looked_good_is_inconclusive(tmp_path: Path, bad_until_tick: int) -> None:
    # Healed at 105; the budget ends at 115, what follows is good but shorter than ten windows.
    run = evidence(
        tmp_path, but(lambda n: 100 <= n < bad_until_tick, load__cache_get__reset=900),
        faults=[fault(100.0, 105.0)], ticks=min(TICKS, bad_until_tick + 9),
    )  # fmt: skip
    (finding,) = check_recovery(run, BUDGET)
    assert finding.verdict is Verdict.INCONCLUSIVE


def test_without_a_baseline_nothing_can_be_said(tmp_path: Path) -> None:
    (finding,) = check_recovery(evidence(tmp_path, healthy, faults=[fault(5.0, 15.0)]), BUDGET)
    assert (finding.verdict, finding.observed) == (Verdict.INCONCLUSIVE, "no baseline to recover to")


def test_a_message_says_everything_a_reader_needs(tmp_path: Path) -> None:
    (finding,) = check_recovery(evidence(tmp_path, bad_until(63), faults=[fault(40.0, 50.0)]), BUDGET)
    assert finding.message == (
        "recovery 14.0 s (last bad 13.0 s) > budget 10.0 s (down api_redis, heal at 50.0 s, seed 7331)"
        "; healthy was learned from 20 s, 60 s are wanted"
    )


def test_several_recoveries_are_told_together_and_none_is_left_out(tmp_path: Path) -> None:
    """One took 3 s, the other was not seen to its end before the load was over."""
    run = evidence(tmp_path, bad_until(52), faults=[fault(40.0, 50.0), fault(108.0, 112.0)])
    (told,) = [f for f in check_recovery(run, BUDGET) if f.check == "mttr"]
    assert told.verdict is Verdict.PASS
    assert "of 2 recoveries, 1 not seen to their end" in told.message


def test_a_fault_that_never_healed_is_left_to_the_faults_check(tmp_path: Path) -> None:
    run = evidence(tmp_path, faults=[fault(40.0, None)])
    assert [f.observed for f in check_recovery(run, BUDGET)] == ["no heal"]
    assert Verdict.INCONCLUSIVE in {f.verdict for f in check_faults(run)}


@pytest.mark.parametrize(("bad_until_tick", "verdict"), [(50, "INCONCLUSIVE"), (62, "FAIL")])
def test_a_recovery_that_a_late_generator_did_not_let_be_seen_is_no_failure(
    tmp_path: Path, bad_until_tick: int, verdict: str
) -> None:
    """The first seconds after the heal were left out: what was seen was good, or bad beyond the budget all the same."""

    def tick(n: int) -> dict[str, float]:
        late = {"generator.lag_s_p95": 0.2} if 50 <= n < 61 else {}
        bad = {"load.cache_get.reset": 900.0} if 40 <= n < bad_until_tick else {}
        return {**healthy(n), **late, **bad}

    (finding,) = check_recovery(evidence(tmp_path, tick, faults=[fault(40.0, 50.0)]), BUDGET)
    assert finding.verdict.value == verdict, finding.message
