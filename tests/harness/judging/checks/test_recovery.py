from pathlib import Path

import pytest

from harness.criteria.budget import Budget
from harness.judging.checks.faults import check_faults
from harness.judging.checks.recovery import check_recovery
from harness.judging.evidence import Evidence
from harness.records import Event
from harness.verdict import Finding, Measurement, Verdict
from tests.harness.runs import TICKS, Tick, but, canary, evidence, fault, healthy

BUDGET = Budget(recovery_s=10.0)


def recovered(run: Evidence, budget: Budget = BUDGET) -> Finding:
    """Return the one finding about the recovery itself."""
    (finding,) = [f for f in check_recovery(run, budget) if f.check == "recovery"]
    assert isinstance(finding, Finding)
    return finding


def bad_until(tick: int) -> Tick:
    return but(lambda n: 40 <= n < tick, load__cache_get__reset=900)


@pytest.mark.parametrize(
    ("bad_until_tick", "verdict", "took_s", "last_bad_s"),
    [
        (40, "PASS", 1.0, 0.0),
        (59, "PASS", 10.0, 9.0),
        (60, "FAIL", 11.0, 10.0),
        # Bad beyond the budget, and not observed to recover.
        (115, "FAIL", None, 65.0),
        (TICKS, "FAIL", None, 70.0),
    ],
)
def test_recovery_is_held_against_the_budget(
    tmp_path: Path, bad_until_tick: int, verdict: str, took_s: float | None, last_bad_s: float
) -> None:
    finding = recovered(evidence(tmp_path, bad_until(bad_until_tick), faults=[fault(40.0, 50.0)]), BUDGET)
    numbers = finding.figures
    assert (finding.verdict.value, numbers.get("observed"), numbers["last_bad_s"]) == (verdict, took_s, last_bad_s)
    assert (numbers["allowed"], numbers["heal_s"], numbers["censored"]) == (10.0, 50.0, int(took_s is None))


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
    assert (finding.verdict, "observed" in finding.figures) == (Verdict.INCONCLUSIVE, False)


def test_a_short_baseline_is_named_beside_what_it_did_not_let_pass(tmp_path: Path) -> None:
    assert "baseline" in recovered(evidence(tmp_path, bad_until(63), faults=[fault(40.0, 50.0)]), BUDGET).message
    assert "baseline" not in recovered(evidence(tmp_path / "ok", faults=[fault(40.0, 50.0)]), BUDGET).message


def test_several_recoveries_are_summed_up_and_none_is_left_out(tmp_path: Path) -> None:
    """One took 3 s, the other was not seen to its end before the load was over."""
    run = evidence(tmp_path, bad_until(52), faults=[fault(40.0, 50.0), fault(108.0, 112.0)])
    (together,) = measured(run, "mttr")
    assert (together.figures["n"], together.figures["censored"]) == (2, 1)


def test_a_fault_that_never_healed_is_left_to_the_faults_check(tmp_path: Path) -> None:
    run = evidence(tmp_path, faults=[fault(40.0, None)])
    assert [f.where for f in check_recovery(run, BUDGET)] == ["timeline"]
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


def test_without_a_fault_there_is_nothing_to_decide(tmp_path: Path) -> None:
    assert [type(each) for each in check_recovery(evidence(tmp_path), BUDGET)] == [Measurement]


def measured(run: Evidence, check: str) -> list[Measurement]:
    return [each for each in check_recovery(run, BUDGET) if isinstance(each, Measurement) and each.check == check]


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


def test_a_recovery_has_its_parts_beside_it(tmp_path: Path) -> None:
    run = evidence(
        tmp_path, bad_until(52), faults=[fault(40.0, 50.0)], events=[canary(50.0, 0.31, 0.35, last_bad_s=0.3)]
    )
    (parts,) = measured(run, "recovery_parts")
    assert parts.where == "down api_redis"
    assert dict(parts.figures) == {"first_success_s": 0.31, "lasting_s": 0.35, "latency_s": 3.0, "resources_s": 1.0}
    assert recovered(run).figures["observed"] == 3.0


def test_what_was_not_observed_took_longer_than_to_the_last_bad_sample(tmp_path: Path) -> None:
    word = canary(50.0, None, None, last_bad_s=29.98)
    run = evidence(tmp_path, bad_until(TICKS), faults=[fault(40.0, 50.0)], events=[word])
    (parts,) = measured(run, "recovery_parts")
    assert dict(parts.figures) == {"resources_s": 1.0}
    assert "lasting > 30.0 s" in parts.observed
    assert recovered(run).figures["censored"] == 1


def test_a_service_never_interrupted_is_shown_so(tmp_path: Path) -> None:
    run = evidence(tmp_path, faults=[fault(40.0, 50.0)], events=[canary(50.0, 0.0, 0.0, interrupted=False)])
    assert "never interrupted" in recovered(run).observed


def test_what_was_observed_during_another_fault_is_not_judged(tmp_path: Path) -> None:
    word = canary(50.0, 30.0, 30.0, last_bad_s=29.9, amid=["latency api_postgres"])
    run = evidence(tmp_path, bad_until(52), faults=[fault(40.0, 50.0)], events=[word])
    assert recovered(run).verdict is Verdict.PASS
    (parts,) = measured(run, "recovery_parts")
    assert "latency api_postgres" in parts.observed
    words = [word, canary(80.0, 0.1, 0.2)]
    run = evidence(tmp_path / "two", bad_until(52), faults=[fault(40.0, 50.0), fault(70.0, 80.0)], events=words)
    assert [f.check for f in check_recovery(run, BUDGET) if f.check.startswith("mttr")] == ["mttr"]


def test_a_canary_that_did_not_look_just_before_did_not_see_a_failure(tmp_path: Path) -> None:
    word = canary(50.0, 0.31, 12.0, last_bad_s=3.0, unseen_s=8.9, left_out=440)
    run = evidence(tmp_path, faults=[fault(40.0, 50.0)], events=[word])
    finding = recovered(run)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "8.9 s" in finding.message
    (late,) = measured(run, "recovery_canary")
    assert dict(late.figures) == {"left_out": 440, "sent": 1500}
    # That excuses nothing that the load saw itself.
    run = evidence(tmp_path / "bad", bad_until(62), faults=[fault(40.0, 50.0)], events=[word])
    assert recovered(run).verdict is Verdict.FAIL


def test_a_canary_with_a_bug_or_killed_decides_nothing(tmp_path: Path) -> None:
    bug = Event(52.0, "canary", {"step": "failed", "reason": "ValueError: a bug"})
    looking = Event(50.0, "canary", {"step": "looking", "fault": "down", "target": "api_redis", "healed_s": 50.0})
    run = evidence(tmp_path, faults=[fault(40.0, 50.0)], events=[looking, bug])
    found = [f for f in check_recovery(run, BUDGET) if isinstance(f, Finding)]
    assert [(f.where, f.verdict) for f in found] == [
        ("down api_redis", Verdict.INCONCLUSIVE),
        ("canary", Verdict.INCONCLUSIVE),
    ]
    assert "ValueError: a bug" in found[1].message


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
    results = check_recovery(run, Budget(recovery_s=10.0, resources_recovery_s=budget_s))
    found = [f for f in results if isinstance(f, Finding) and f.check == "resources_recovery"]
    assert [f.verdict.value for f in found] == ([verdict] if verdict else [])
    assert not found or "(process.api.fds)" in found[0].message
    (parts,) = measured(run, "recovery_parts")
    assert "resources " in parts.observed


def test_several_recoveries_are_summed_up_by_part(tmp_path: Path) -> None:
    words = [canary(50.0, 0.1, 0.5), canary(80.0, 0.3, None, last_bad_s=20.0)]
    run = evidence(tmp_path, faults=[fault(40.0, 50.0), fault(70.0, 80.0)], events=words)
    parts = {each.where: each.figures for each in measured(run, "mttr_parts")}
    assert list(parts) == ["first success", "lasting", "latency", "resources"]
    assert parts["first success"]["median_s"] == 0.1
    assert (parts["lasting"]["n"], parts["lasting"]["censored"]) == (2, 1)


@pytest.mark.parametrize(("busy", "verdict"), [(0.99, Verdict.INCONCLUSIVE), (0.5, Verdict.FAIL)])
def test_on_a_machine_that_has_nothing_to_spare_a_slow_recovery_says_nothing(
    tmp_path: Path, busy: float, verdict: Verdict
) -> None:
    def tick(n: int) -> dict[str, float]:
        return {**bad_until(60)(n), "machine.all.cpu_fraction": busy}

    finding = recovered(evidence(tmp_path, tick, faults=[fault(40.0, 50.0)]))
    assert finding.verdict is verdict, finding.message
    assert ("99%" in finding.message) is (verdict is Verdict.INCONCLUSIVE)


@pytest.mark.parametrize(("until_tick", "verdict"), [(60, Verdict.INCONCLUSIVE), (55, Verdict.PASS)])
def test_what_a_heal_by_force_made_worse_is_not_the_services_failure(
    tmp_path: Path, until_tick: int, verdict: Verdict
) -> None:
    finding = recovered(evidence(tmp_path, bad_until(until_tick), faults=[fault(40.0, 50.0, forced="restarted")]))
    assert finding.verdict is verdict, finding.message
    assert ("restarted" in finding.message) is (verdict is Verdict.INCONCLUSIVE)
