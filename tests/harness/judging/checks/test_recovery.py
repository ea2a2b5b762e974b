from pathlib import Path

import pytest

from harness.criteria.budget import Budget
from harness.judging.checks.faults import check_faults
from harness.judging.checks.recovery import check_recovery
from harness.judging.evidence import Evidence
from harness.records import Event
from harness.verdict import Finding, Verdict
from tests.harness.runs import TICKS, Tick, but, canary, evidence, fault, healthy

BUDGET = Budget(recovery_s=10.0)


def recovered(run: Evidence, budget: Budget = BUDGET) -> Finding:
    """Return the one finding about the recovery itself."""
    (finding,) = [f for f in check_recovery(run, budget) if f.check == "recovery"]
    return finding


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
    finding = recovered(evidence(tmp_path, bad_until(bad_until_tick), faults=[fault(40.0, 50.0)]), BUDGET)
    assert (finding.verdict.value, finding.observed) == (verdict, observed)


@pytest.mark.parametrize("bad_until_tick", [106, 110, 113, 115])
def test_a_run_that_ended_while_it_looked_good_is_inconclusive(tmp_path: Path, bad_until_tick: int) -> None:
    # Healed at 105; the budget ends at 115, what follows is good but shorter than ten windows.
    run = evidence(
        tmp_path, but(lambda n: 100 <= n < bad_until_tick, load__cache_get__reset=900),
        faults=[fault(100.0, 105.0)], ticks=min(TICKS, bad_until_tick + 9),
    )  # fmt: skip
    finding = recovered(run, BUDGET)
    assert finding.verdict is Verdict.INCONCLUSIVE


def test_without_a_baseline_nothing_can_be_said(tmp_path: Path) -> None:
    finding = recovered(evidence(tmp_path, healthy, faults=[fault(5.0, 15.0)]), BUDGET)
    assert (finding.verdict, finding.observed) == (Verdict.INCONCLUSIVE, "no baseline to recover to")


def test_a_message_says_everything_a_reader_needs(tmp_path: Path) -> None:
    finding = recovered(evidence(tmp_path, bad_until(63), faults=[fault(40.0, 50.0)]), BUDGET)
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

    finding = recovered(evidence(tmp_path, tick, faults=[fault(40.0, 50.0)]), BUDGET)
    assert finding.verdict.value == verdict, finding.message


def told(run: Evidence, check: str, budget: Budget = BUDGET) -> list[Finding]:
    return [f for f in check_recovery(run, budget) if f.check == check]


@pytest.mark.parametrize(
    ("lasting_s", "last_bad_s", "verdict"),
    [(0.35, 0.3, "PASS"), (9.9, 9.8, "PASS"), (10.1, 9.9, "FAIL"), (None, 9.0, "INCONCLUSIVE"), (None, 11.0, "FAIL")],
)
def test_a_service_that_flaps_has_not_recovered_whatever_its_windows_say(
    tmp_path: Path, lasting_s: float | None, last_bad_s: float, verdict: str
) -> None:
    word = canary(50.0, 0.31, lasting_s, last_bad_s=last_bad_s)
    run = evidence(tmp_path, bad_until(52), faults=[fault(40.0, 50.0)], events=[word])
    assert recovered(run).verdict.value == verdict


def test_a_recovery_is_told_with_its_parts(tmp_path: Path) -> None:
    run = evidence(
        tmp_path, bad_until(52), faults=[fault(40.0, 50.0)], events=[canary(50.0, 0.31, 0.35, last_bad_s=0.3)]
    )
    assert recovered(run).message == (
        "recovery 3.0 s (first success 310 ms, lasting 350 ms, latency 3.0 s, resources 1.0 s) <= budget 10.0 s "
        "(down api_redis, heal at 50.0 s, seed 7331)"
    )
    (parts,) = told(run, "recovery_parts")
    assert (parts.verdict, parts.where) == (Verdict.PASS, "down api_redis")
    assert parts.observed == "first success 310 ms, lasting 350 ms, latency 3.0 s, resources 1.0 s"


def test_what_was_not_seen_to_come_is_told_as_longer_than_it_was_seen_amiss(tmp_path: Path) -> None:
    word = canary(50.0, None, None, last_bad_s=29.98)
    run = evidence(tmp_path, bad_until(TICKS), faults=[fault(40.0, 50.0)], events=[word])
    (parts,) = told(run, "recovery_parts")
    assert parts.observed == "first success > 30.0 s, lasting > 30.0 s, latency > 70.0 s, resources 1.0 s"
    assert "no 9 good of 10 windows: " in recovered(run).observed


def test_who_was_never_interrupted_is_told_so(tmp_path: Path) -> None:
    run = evidence(tmp_path, faults=[fault(40.0, 50.0)], events=[canary(50.0, 0.0, 0.0, interrupted=False)])
    assert recovered(run).observed == "1.0 s (never interrupted, latency 1.0 s, resources 1.0 s)"


def test_what_was_seen_amid_another_fault_is_told_and_not_judged(tmp_path: Path) -> None:
    word = canary(50.0, 30.0, 30.0, last_bad_s=29.9, amid=["latency api_postgres"])
    run = evidence(tmp_path, bad_until(52), faults=[fault(40.0, 50.0)], events=[word])
    assert recovered(run).verdict is Verdict.PASS
    (parts,) = told(run, "recovery_parts")
    assert parts.observed.endswith("(while latency api_postgres was still there)")
    words = [word, canary(80.0, 0.1, 0.2)]
    run = evidence(tmp_path / "two", bad_until(52), faults=[fault(40.0, 50.0), fault(70.0, 80.0)], events=words)
    assert [f.check for f in check_recovery(run, BUDGET) if f.check.startswith("mttr")] == ["mttr"]


def test_a_canary_that_did_not_look_just_before_did_not_see_a_failure(tmp_path: Path) -> None:
    word = canary(50.0, 0.31, 12.0, last_bad_s=3.0, unseen_s=8.9, left_out=440)
    run = evidence(tmp_path, faults=[fault(40.0, 50.0)], events=[word])
    finding = recovered(run)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "8.9 s of it not seen: the generator was late" in finding.message
    (late,) = told(run, "recovery_canary")
    assert late.observed == "440 looks of the canary left out, 1500 taken: the harness was late"
    # That excuses nothing that the load saw itself.
    run = evidence(tmp_path / "bad", bad_until(62), faults=[fault(40.0, 50.0)], events=[word])
    assert recovered(run).verdict is Verdict.FAIL


def test_a_canary_with_a_bug_or_killed_decides_nothing(tmp_path: Path) -> None:
    bug = Event(52.0, "canary", {"step": "failed", "reason": "ValueError: a bug"})
    looking = Event(50.0, "canary", {"step": "looking", "fault": "down", "target": "api_redis", "healed_s": 50.0})
    run = evidence(tmp_path, faults=[fault(40.0, 50.0)], events=[looking, bug])
    fault_s, canary_s = (f for f in check_recovery(run, BUDGET) if f.check == "recovery")
    assert fault_s.verdict is canary_s.verdict is Verdict.INCONCLUSIVE
    assert canary_s.message == "the canary failed at 52.0 s: ValueError: a bug"


@pytest.mark.parametrize(
    ("back_at", "budget_s", "verdict"), [(60, 15.0, "PASS"), (80, 15.0, "FAIL"), (TICKS, 15.0, "FAIL"), (60, 0.0, None)]
)
def test_resources_are_judged_where_the_budget_asks(
    tmp_path: Path, back_at: int, budget_s: float, verdict: str | None
) -> None:
    run = evidence(
        tmp_path,
        lambda n: healthy(n) | {"process.api.fds": 90.0 if 40 <= n < back_at else 30.0},
        faults=[fault(40.0, 50.0)],
    )
    found = told(run, "resources_recovery", Budget(recovery_s=10.0, resources_recovery_s=budget_s))
    assert [f.verdict.value for f in found] == ([verdict] if verdict else [])
    assert not found or "(process.api.fds)" in found[0].message
    (parts,) = told(run, "recovery_parts")
    assert "resources " in parts.observed


def test_several_recoveries_are_told_together_by_part(tmp_path: Path) -> None:
    words = [canary(50.0, 0.1, 0.5), canary(80.0, 0.3, None, last_bad_s=20.0)]
    run = evidence(tmp_path, faults=[fault(40.0, 50.0), fault(70.0, 80.0)], events=words)
    parts = {f.where: f.observed for f in told(run, "mttr_parts")}
    assert list(parts) == ["first success", "lasting", "latency", "resources"]
    assert parts["first success"].startswith("median 100 ms")
    assert "of 2 recoveries, 1 not seen to their end" in parts["lasting"]


@pytest.mark.parametrize(("busy", "verdict"), [(0.99, Verdict.INCONCLUSIVE), (0.5, Verdict.FAIL)])
def test_on_a_machine_that_has_nothing_to_spare_a_slow_recovery_says_nothing(
    tmp_path: Path, busy: float, verdict: Verdict
) -> None:
    def tick(n: int) -> dict[str, float]:
        return {**bad_until(60)(n), "machine.all.cpu_fraction": busy}

    finding = recovered(evidence(tmp_path, tick, faults=[fault(40.0, 50.0)]))
    assert finding.verdict is verdict, finding.message
    assert ("the machine itself was busy to 99%" in finding.message) is (verdict is Verdict.INCONCLUSIVE)


@pytest.mark.parametrize(("until_tick", "verdict"), [(60, Verdict.INCONCLUSIVE), (55, Verdict.PASS)])
def test_what_a_heal_by_force_made_worse_is_not_the_services_failure(
    tmp_path: Path, until_tick: int, verdict: Verdict
) -> None:
    finding = recovered(evidence(tmp_path, bad_until(until_tick), faults=[fault(40.0, 50.0, forced="made anew")]))
    assert finding.verdict is verdict, finding.message
    assert ("; made anew" in finding.message) is (verdict is Verdict.INCONCLUSIVE)
