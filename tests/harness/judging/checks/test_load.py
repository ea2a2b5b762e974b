from pathlib import Path

import pytest

from harness.criteria.budget import Budget
from harness.judging.checks.load import check_dropped, check_errors, check_generator, check_operations
from harness.records import LATE_S, Event
from harness.verdict import Verdict
from tests.harness.runs import OPERATIONS, PER_TICK, always, but, evidence, fault, healthy

BUDGET = Budget(error_fraction=0.01, dropped_fraction=0.02)


@pytest.mark.parametrize(("late_ticks", "verdict"), [(0, "PASS"), (12, "PASS"), (13, "INCONCLUSIVE")])
def test_a_generator_may_be_late_in_a_tenth_of_the_ticks(tmp_path: Path, late_ticks: int, verdict: str) -> None:
    run = evidence(tmp_path, but(lambda n: n < late_ticks, generator__lag_s_p95=LATE_S + 0.001))
    (finding,) = check_generator(run)
    assert finding.verdict == verdict


def test_a_generator_on_the_edge_is_on_time(tmp_path: Path) -> None:
    (finding,) = check_generator(evidence(tmp_path, but(always, generator__lag_s_p95=LATE_S)))
    assert finding.verdict is Verdict.PASS


def test_ticks_without_a_request_say_nothing_of_the_generator(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return {"generator.rss_bytes": 1.0} | ({"generator.lag_s_p95": 0.2} if n == 0 else {})

    (finding,) = check_generator(evidence(tmp_path, tick))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert (finding.figures["late"], finding.figures["ticks"]) == (1, 1)


def test_each_operation_must_have_succeeded_once(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return {"generator.rss_bytes": 1.0, "load.cache_get.reset": 5} | ({"load.ledger_write.ok": 1} if n == 7 else {})

    told = {f.where: f for f in check_operations(evidence(tmp_path, tick))}
    assert set(told) == set(OPERATIONS)
    assert told["ledger_write"].verdict is Verdict.PASS
    assert told["cache_get"].verdict is Verdict.INCONCLUSIVE
    assert told["cache_get"].figures["observed"] == 0


@pytest.mark.parametrize(("dropped", "verdict"), [(0, "PASS"), (4, "PASS"), (5, "FAIL")])
def test_dropped_arrivals_are_a_fraction_of_all(tmp_path: Path, dropped: int, verdict: str) -> None:
    # 4 of 204 is 1.96 %, 5 of 205 is 2.4 %.
    (finding,) = check_dropped(evidence(tmp_path, but(always, load__cache_get__dropped=dropped)), BUDGET)
    assert finding.verdict == verdict


def test_what_was_dropped_during_a_fault_counts_too(tmp_path: Path) -> None:
    run = evidence(tmp_path, but(lambda n: n == 45, load__cache_get__dropped=5000), faults=[fault(40.0, 50.0)])
    (finding,) = check_dropped(run, BUDGET)
    assert finding.verdict is Verdict.FAIL
    assert (finding.figures["bad"], finding.figures["allowed"]) == (5000, 0.02)


@pytest.mark.parametrize(("bad", "verdict"), [(2, "PASS"), (3, "FAIL")])
@pytest.mark.parametrize("outcome", ["refused", "reset", "timed_out", "shed", "bad_status", "wrong_reply"])
def test_whatever_is_not_good_is_an_error(tmp_path: Path, outcome: str, bad: int, verdict: str) -> None:
    # Of 202 or 203 replies a tick, 1 % is two.
    (finding,) = check_errors(evidence(tmp_path, but(always, **{f"load__cache_get__{outcome}": bad})), BUDGET)
    assert finding.verdict == verdict


def test_what_a_caller_gave_up_is_an_arrival_and_no_error(tmp_path: Path) -> None:
    given_up = evidence(tmp_path, but(always, load__cache_get__cancelled=50, load__cache_get__dropped=5))
    (errors,) = check_errors(given_up, Budget(error_fraction=0.0))
    assert errors.verdict is Verdict.PASS
    # 5 of 205 would be too many; 5 of 255 are not.
    assert [f.verdict for f in check_dropped(given_up, BUDGET)] == [Verdict.PASS]


def test_errors_count_only_in_the_calm(tmp_path: Path) -> None:
    # All bad: before warm-up, during the fault and its aftermath, after the load.
    disturbed = but(
        lambda n: n < 20 or 40 <= n < 53 or n >= 110, load__cache_get__ok=0, load__cache_get__reset=PER_TICK
    )
    run = evidence(tmp_path, disturbed, faults=[fault(40.0, 50.0)], load_end_s=110.0)
    (finding,) = check_errors(run, BUDGET)
    assert finding.verdict is Verdict.PASS
    calm_ticks = (40 - 20) + (110 - 54)
    assert (finding.figures["bad"], finding.figures["total"]) == (0, calm_ticks * 2 * PER_TICK)


def test_a_run_without_load_is_inconclusive(tmp_path: Path) -> None:
    run = evidence(tmp_path, lambda _: {"generator.rss_bytes": 1.0})
    found = [*check_errors(run, BUDGET), *check_dropped(run, BUDGET), *check_generator(run)]
    assert {f.verdict for f in found} == {Verdict.INCONCLUSIVE}


def test_what_a_late_generator_saw_is_left_out_and_told(tmp_path: Path) -> None:
    run = evidence(tmp_path, but(lambda n: n == 60, generator__lag_s_p95=0.2, load__all__response_s_p95=9.0))
    (finding,) = check_generator(run)
    assert finding.verdict is Verdict.PASS
    assert "the time before 61.0 s" in finding.message
    assert run.calm.sum() == run.quiet.sum() - 1
    assert not run.calm[60]


def test_a_storm_of_errors_that_made_the_generator_late_is_no_pass(tmp_path: Path) -> None:
    storm = but(
        lambda n: 50 <= n < 60, generator__lag_s_p95=0.06, load__cache_get__ok=0, load__cache_get__timed_out=100
    )
    (finding,) = check_errors(evidence(tmp_path, storm), BUDGET)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "only with the ticks in which the generator was late" in finding.message


def test_errors_on_time_fail_whatever_was_late(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        late = {"generator.lag_s_p95": 0.06} if n == 60 else {}
        return {**healthy(n), **late, "load.cache_get.timed_out": 20.0}

    (finding,) = check_errors(evidence(tmp_path, tick), BUDGET)
    assert finding.verdict is Verdict.FAIL


def test_what_a_late_generator_dropped_is_no_failure_of_the_system(tmp_path: Path) -> None:
    run = evidence(tmp_path, but(lambda n: n == 45, load__cache_get__dropped=5000, generator__lag_s_p95=3.0))
    (finding,) = check_dropped(run, BUDGET)
    assert finding.verdict is Verdict.INCONCLUSIVE


def test_messages_that_nobody_asked_for_do_not_thin_errors_out(tmp_path: Path) -> None:
    run = evidence(tmp_path, but(always, load__cache_get__timed_out=10, load__ws_delivery__ok=10_000))
    (finding,) = check_errors(run, BUDGET)
    assert finding.verdict is Verdict.FAIL


@pytest.mark.parametrize(("uncertain_s", "verdict"), [(0.01, "PASS"), (0.03, "INCONCLUSIVE")])
def test_clocks_of_workers_must_be_known_well_enough(tmp_path: Path, uncertain_s: float, verdict: str) -> None:
    detail = {"worker": "w", "offset_s": 0.0, "uncertain_s": uncertain_s}
    events = [Event(1.0, "worker", detail), Event(1.0, "worker", {**detail, "uncertain_s": 0.001})]
    _, finding = check_generator(evidence(tmp_path, events=events))
    assert (finding.where, finding.verdict) == ("workers", verdict)
