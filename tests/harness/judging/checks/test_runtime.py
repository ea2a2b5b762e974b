"""A garbage collector that frees nothing fails, one that frees enough passes, one that hardly runs is measured."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.criteria.budget import Budget
from harness.journal import Buckets
from harness.judging.checks.runtime import check_gc
from harness.verdict import Finding, Result, Verdict
from tests.harness.judging.checks.source import PATIENT, Source, ticks

TICKS = 100
BUDGET = Budget(gc_efficiency=0.3)


def runtime(service: str, *, lasts: int = TICKS, **per_tick: float) -> dict[str, Buckets]:
    """Return running totals that rise by so much with every tick."""
    return {f"runtime.{service}.{figure}": ticks(rise * n for n in range(lasts)) for figure, rise in per_tick.items()}


def only(results: list[Result]) -> Finding:
    (finding,) = results
    assert isinstance(finding, Finding)
    return finding


def verdict(series: Mapping[str, Buckets], **source: Any) -> Verdict | None:
    """Return what was decided, None where the collector was only measured."""
    (result,) = check_gc(Source(series, **source), BUDGET)
    return result.verdict if isinstance(result, Finding) else None


@pytest.mark.parametrize(("freed", "verdict"), [(0.0, "FAIL"), (0.5, "FAIL"), (0.7, "PASS"), (900.0, "PASS")])
def test_each_collection_must_free_something(freed: float, verdict: str) -> None:
    finding = only(check_gc(Source(runtime("api", gc_collections=2, gc_collected=freed)), BUDGET))
    assert (finding.check, finding.where, finding.verdict) == ("gc", "api", verdict)
    assert finding.figures["observed"] == pytest.approx(freed / 2)
    assert (finding.figures["allowed"], finding.figures["collections"]) == (0.3, 198)


@pytest.mark.parametrize(
    ("lasts", "each", "decided"), [(20, 1.4, None), (100, 1.4, "FAIL"), (1000, 0.9, None), (1000, 1.1, "FAIL")]
)
def test_a_collector_that_hardly_runs_is_only_measured(lasts: int, each: float, decided: str | None) -> None:
    assert verdict(runtime("api", lasts=lasts, gc_collections=each, gc_collected=0)) == decided


@pytest.mark.parametrize(("paused_s", "decided"), [(0.003, None), (0.02, "FAIL")])
def test_pauses_that_take_next_to_no_time_are_only_measured(paused_s: float, decided: str | None) -> None:
    """It runs twice a second and frees nothing, as in a service that makes no cycles."""
    series = runtime("api", gc_collections=2, gc_collected=0, gc_pauses=2, gc_pause_s=paused_s)
    assert verdict(series) == decided


def test_a_service_that_reports_no_collector_has_no_finding() -> None:
    assert check_gc(Source(runtime("api", heap_bytes=1)), BUDGET) == []
    assert check_gc(Source(runtime("api", gc_collections=1)), BUDGET) == []
    found = check_gc(Source(runtime("b", gc_collections=1, gc_collected=1) | runtime("a", tasks=1)), BUDGET)
    assert [finding.where for finding in found] == ["b"]


def test_what_the_collector_did_in_a_fault_is_not_judged() -> None:
    freed = np.cumsum([9.0] * 40 + [0.0] * 20 + [9.0] * 40)
    runs = np.cumsum([1.0] * 40 + [1e6] * 20 + [1.0] * 40)
    series = {"runtime.api.gc_collections": ticks(runs), "runtime.api.gc_collected": ticks(freed)}
    assert verdict(series, disturbed=[(40, 60)]) is Verdict.PASS
    assert verdict(series) is Verdict.FAIL


def test_a_restart_does_not_take_away_what_was_freed() -> None:
    freed = [20.0 * (n % 50) for n in range(TICKS)]
    runs = [2.0 * (n % 50) for n in range(TICKS)]
    series = {"runtime.api.gc_collections": ticks(runs), "runtime.api.gc_collected": ticks(freed)}
    assert only(check_gc(Source(series), BUDGET)).figures["observed"] == pytest.approx(10.0)


def test_a_collector_that_was_not_measured_is_undecided() -> None:
    series = runtime("api", gc_collections=2, gc_collected=900)
    series["runtime.api.gc_collected"] = ticks([900.0 * n if n < 50 else float("nan") for n in range(TICKS)])
    assert verdict(series) is Verdict.INCONCLUSIVE


def test_pauses_are_shown_by_quantiles_and_share() -> None:
    pauses = np.cumsum([10.0] * TICKS)
    paused_s = np.cumsum([10 * (0.1 if n >= 90 else 0.01) for n in range(TICKS)])
    series = runtime("api", gc_collections=10, gc_collected=10)
    series |= {"runtime.api.gc_pauses": ticks(pauses), "runtime.api.gc_pause_s": ticks(paused_s)}
    message = only(check_gc(Source(series), BUDGET)).message
    assert "pauses p50 10 ms, p95 100 ms, p99 100 ms, 19.09% of the time" in message
    series.pop("runtime.api.gc_pause_s")
    assert "pauses" not in only(check_gc(Source(series), BUDGET)).message


@PATIENT
@given(st.floats(0.31, 1e6), st.floats(0.31, 100))
def test_more_freed_is_never_worse(freed: float, runs: float) -> None:
    judged = runs * (TICKS - 1) >= 30 and runs >= 1
    freeing = verdict(runtime("api", gc_collections=runs, gc_collected=freed * runs))
    assert freeing is (Verdict.PASS if judged else None)
    assert verdict(runtime("api", gc_collections=runs, gc_collected=0)) is (Verdict.FAIL if judged else None)
