import pytest

from harness.comparison.earlier_runs import BASELINE, TREND, EarlierRuns, Figures
from harness.comparison.trend import check_trend
from harness.verdict import Finding, Measurement, Verdict, merge, split
from tests.harness.pasts import on, run

GOOD = EarlierRuns(tuple(run(n, {"latency_s_p95": 0.2 + 0.001 * (n % 5)}) for n in range(12)))


def trend(now: Figures, past: EarlierRuns = GOOD, baseline: Figures | None = None) -> dict[tuple[str, str], Finding]:
    found, _ = split(check_trend(now, past, baseline, slowdown_fraction=0.25))
    return {(finding.check, finding.where): finding for finding in found}


def test_a_usual_run_passes_every_gate() -> None:
    seen = trend(run(20))
    assert merge(finding.verdict for finding in seen.values()) is Verdict.PASS
    numbers = seen[TREND, "latency_s_p95"].figures
    assert (numbers["observed"], numbers["unit"]) == (0.2, "s")
    assert numbers["allowed"] == pytest.approx(0.22165)
    assert {where for _, where in seen} == {
        *("latency_s_p95", "throughput_per_s", "error_fraction"),
        *("recovery_s.down api_redis", "cpu_s_per_request", "memory_bytes"),
    }


@pytest.mark.parametrize(
    ("figure", "worse", "better"),
    [
        ("latency_s_p95", 0.23, 0.1),
        ("throughput_per_s", 185.0, 250.0),
        ("error_fraction", 0.0011, 0.0),
        ("recovery_s.down api_redis", 5.1, 0.5),
        ("cpu_s_per_request", 0.0045, 0.002),
        ("memory_bytes", 3.4e8, 2e8),
    ],
)
def test_a_worse_figure_fails_and_a_better_one_is_noted(figure: str, worse: float, better: float) -> None:
    bad = trend(run(20, {figure: worse}))
    assert [where for (_, where), found in bad.items() if found.verdict is not Verdict.PASS] == [figure]
    assert bad[TREND, figure].verdict is Verdict.FAIL
    assert bad[TREND, figure].figures["observed"] == worse
    good = trend(run(20, {figure: better}))[TREND, figure]
    assert good.verdict is Verdict.PASS
    # No run has fewer errors than none.
    assert ("significantly better" in good.message) is (figure != "error_fraction")


def test_before_ten_good_runs_nothing_is_decided() -> None:
    few = EarlierRuns(tuple(run(n, failed=() if n < 9 else ("errors",)) for n in range(12)))
    (measured,) = check_trend(run(20, {"latency_s_p95": 9.0}), few, slowdown_fraction=0.25)
    assert isinstance(measured, Measurement)
    assert (measured.check, measured.where) == (TREND, "history")
    assert dict(measured.figures) == {"runs": 9, "runs_needed": 10, "waiting": 6}
    (measured,) = check_trend(run(20), EarlierRuns(), slowdown_fraction=0.25)
    assert isinstance(measured, Measurement)


def test_a_regression_that_failed_does_not_become_normal() -> None:
    regressed = tuple(run(20 + n, {"latency_s_p95": 0.3}, failed=("trend",)) for n in range(30))
    past = EarlierRuns((*GOOD.runs, *regressed))
    assert trend(run(60, {"latency_s_p95": 0.3}), past)[TREND, "latency_s_p95"].verdict is Verdict.FAIL


def test_accepted_by_name_it_does_from_there_on() -> None:
    accepted = run(20, {"latency_s_p95": 0.3}, p95_s=0.3, failed=("trend",))
    past = EarlierRuns((*GOOD.runs, accepted))
    now = run(60, {"latency_s_p95": 0.3}, p95_s=0.3)
    assert merge(found.verdict for found in trend(now, past, accepted).values()) is Verdict.PASS
    later = EarlierRuns((*past.runs, *(run(21 + n, {"latency_s_p95": 0.3}) for n in range(9))))
    assert trend(now, later, accepted)[TREND, "latency_s_p95"].verdict is Verdict.PASS
    slower = run(60, {"latency_s_p95": 0.4})
    assert trend(slower, later, accepted)[TREND, "latency_s_p95"].verdict is Verdict.FAIL


def test_a_figure_that_is_missing_decides_nothing() -> None:
    seen = trend(run(20, {"memory_bytes": None}), baseline=None)
    assert seen[TREND, "memory_bytes"].verdict is Verdict.INCONCLUSIVE
    beside = trend(run(20, {"memory_bytes": None}), baseline=run(0))
    assert beside[BASELINE, "memory_bytes"].verdict is Verdict.INCONCLUSIVE
    (found,) = trend(run(1, dict.fromkeys(run().figures)), EarlierRuns()).values()
    assert found.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("baseline", [None, run(0)])
def test_a_recovery_that_was_not_seen_to_its_end_never_passes(baseline: Figures | None) -> None:
    where = "recovery_s.down api_redis"
    check = BASELINE if baseline else TREND
    censored = {"recovery_censored.down api_redis": 1.0}
    early = trend(run(20, {"recovery_s.down api_redis": 1.0, **censored}), baseline=baseline)[check, where]
    assert (early.verdict, early.figures["censored"]) == (Verdict.INCONCLUSIVE, 1)
    late = trend(run(20, {"recovery_s.down api_redis": 30.0, **censored}), baseline=baseline)[check, where]
    assert late.verdict is Verdict.FAIL


def test_beside_a_baseline_latency_is_compared_window_by_window() -> None:
    baseline = run(0, p95_s=1.0)
    same, slower, slightly = (trend(run(20, p95_s=p95_s), EarlierRuns(), baseline) for p95_s in (1.0, 1.5, 1.1))
    where = BASELINE, "latency_s_p95"
    assert [seen[where].verdict for seen in (same, slower, slightly)] == [Verdict.PASS, Verdict.FAIL, Verdict.PASS]
    assert slower[where].figures["observed"] == pytest.approx(0.476, abs=0.001)  # with 50 ms of slack on both sides
    # What is of no concern on this machine is none beside a baseline either.
    assert trend(run(20, p95_s=0.005), EarlierRuns(), run(0, p95_s=0.001))[where].verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("figure", "kept", "broken"),
    [
        ("throughput_per_s", 151.0, 149.0),
        ("error_fraction", 0.0009, 0.0011),
        ("recovery_s.down api_redis", 4.9, 5.1),
        ("cpu_s_per_request", 0.0049, 0.0051),
        ("memory_bytes", 3.7e8, 3.8e8),
    ],
)
def test_beside_a_baseline_the_rest_may_get_worse_by_the_budgets_fraction(
    figure: str, kept: float, broken: float
) -> None:
    where = BASELINE, figure
    assert trend(run(20, {figure: kept}), EarlierRuns(), run(0))[where].verdict is Verdict.PASS
    assert trend(run(20, {figure: broken}), EarlierRuns(), run(0))[where].verdict is Verdict.FAIL


def test_a_baseline_of_another_key_is_none() -> None:
    seen = trend(run(20), EarlierRuns(), run(0, key=on(time_scale=0.5)))
    found = seen[BASELINE, run(0).run_id]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "time_scale 1.0 and 0.5" in found.message


def test_figures_that_say_nothing_of_good_or_bad_are_not_judged() -> None:
    wild = run(20, {"leak.process.api.rss_bytes.slope": 1e9, "unheard_of": 1e9})
    assert merge(found.verdict for found in trend(wild, baseline=run(0)).values()) is Verdict.PASS
