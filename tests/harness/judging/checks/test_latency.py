from pathlib import Path

import pytest

from harness.criteria.budget import Budget
from harness.judging.checks.latency import check_drift, check_latency
from harness.judging.evidence import Evidence
from harness.verdict import Finding, Verdict
from tests.harness.runs import always, but, evidence, fault, healthy


def told(run: Evidence) -> dict[str, Finding]:
    return {finding.check: finding for finding in check_latency(run, Budget())}


def test_a_run_that_stays_as_quick_passes(tmp_path: Path) -> None:
    findings = told(evidence(tmp_path, faults=[fault(40.0, 50.0)]))
    assert {check: f.verdict for check, f in findings.items()} == {"latency": Verdict.PASS, "slowdown": Verdict.PASS}
    assert findings["slowdown"].where == "after the faults"
    numbers = findings["slowdown"].figures
    assert float(numbers["lower"]) <= float(numbers["observed"]) <= float(numbers["upper"]) < float(numbers["allowed"])


def test_slow_all_along_is_too_slow_and_no_slowdown(tmp_path: Path) -> None:
    findings = told(evidence(tmp_path, but(always, load__all__response_s_p95=0.6)))
    assert (findings["latency"].verdict, findings["slowdown"].verdict) == (Verdict.FAIL, Verdict.PASS)


def test_what_is_slow_while_a_fault_lasts_is_not_judged(tmp_path: Path) -> None:
    """It lasts for most of the run, so that the median of all of it is slow."""
    slow = but(lambda n: 25 <= n < 100, load__all__response_s_p95=2.0)
    assert told(evidence(tmp_path, slow, faults=[fault(25.0, 100.0)]))["latency"].verdict is Verdict.PASS


@pytest.mark.parametrize(("faulty", "where"), [(True, "after the faults"), (False, "in the second half")])
def test_slower_towards_the_end_is_a_slowdown_with_or_without_faults(
    tmp_path: Path,
    faulty: bool,  # noqa: FBT001 - a case
    where: str,
) -> None:
    slower = but(lambda n: n >= 60, load__all__response_s_p95=0.1)
    findings = told(evidence(tmp_path, slower, faults=[fault(45.0, 50.0)] if faulty else []))
    assert findings["latency"].verdict is Verdict.PASS
    assert findings["slowdown"].verdict is Verdict.FAIL
    assert findings["slowdown"].where == where


def test_what_is_slower_by_less_than_a_machine_adds_is_none(tmp_path: Path) -> None:
    """From 11 to 16 ms: half as much again, and nobody's concern."""
    slower = but(lambda n: n >= 60, load__all__response_s_p95=0.016)
    assert told(evidence(tmp_path, slower, faults=[fault(45.0, 50.0)]))["slowdown"].verdict is Verdict.PASS


def test_slower_in_every_other_stretch_decides_nothing(tmp_path: Path) -> None:
    """In the mean it is less than allowed, yet nearly half of the windows are slower than that."""
    noisy = but(lambda n: n >= 60 and n % 10 < 4, load__all__response_s_p95=0.031)
    assert told(evidence(tmp_path, noisy, faults=[fault(45.0, 50.0)]))["slowdown"].verdict is Verdict.INCONCLUSIVE


def test_a_tick_in_which_the_generator_was_late_is_not_looked_at(tmp_path: Path) -> None:
    late = but(lambda n: n >= 60 and n % 2 == 0, load__all__response_s_p95=2.0, generator__lag_s_p95=0.5)
    assert told(evidence(tmp_path, late, faults=[fault(45.0, 50.0)]))["slowdown"].verdict is Verdict.PASS


@pytest.mark.parametrize(("later_s", "verdict"), [(0.01, Verdict.PASS), (0.1, Verdict.FAIL)])
def test_a_load_of_few_requests_is_judged_by_its_median(tmp_path: Path, later_s: float, verdict: Verdict) -> None:
    """Ten requests a second: a p95 takes two hundred to mean something, a median twenty."""

    def tick(n: int) -> dict[str, float]:
        few = {"load.cache_get.ok": 5.0, "load.ledger_write.ok": 5.0}
        return healthy(n) | few | {"load.all.response_s_p50": later_s if n >= 60 else 0.01}

    finding = told(evidence(tmp_path, tick, faults=[fault(45.0, 50.0)]))["slowdown"]
    assert finding.verdict is verdict
    assert finding.figures["quantile"] == 0.5


def test_with_hardly_a_request_nothing_is_decided(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return healthy(n) | {"load.cache_get.ok": 0.0, "load.ledger_write.ok": float(n % 20 == 0)}

    assert told(evidence(tmp_path, tick, faults=[fault(45.0, 50.0)]))["slowdown"].verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("per_tick_s", "verdict"), [(0.0, Verdict.PASS), (0.0001, Verdict.FAIL)])
def test_drift_is_by_the_hour(tmp_path: Path, per_tick_s: float, verdict: Verdict) -> None:
    """Half an hour of half-minute windows; it may get 40 % slower an hour."""

    def tick(n: int) -> dict[str, float]:
        return healthy(n) | {"load.all.response_s_p95": 0.1 + n * per_tick_s}

    run = evidence(tmp_path, tick, ticks=1800)
    (finding,) = check_drift(run, Budget(latency_drift_per_h=0.4))
    assert finding.verdict is verdict, finding.message
