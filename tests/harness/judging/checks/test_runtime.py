"""A garbage collector that finds nothing is told, one that finds enough or hardly runs is let be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.criteria.budget import Budget
from harness.journal import Buckets
from harness.judging.checks.runtime import check_gc
from harness.verdict import Finding
from tests.harness.judging.checks.source import PATIENT, Source, ticks

TICKS = 100
BUDGET = Budget(gc_efficiency=0.3)


def runtime(service: str, *, lasts: int = TICKS, **per_tick: float) -> dict[str, Buckets]:
    """Return running totals that rise by so much with every tick."""
    return {f"runtime.{service}.{figure}": ticks(rise * n for n in range(lasts)) for figure, rise in per_tick.items()}


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


@pytest.mark.parametrize(("freed", "verdict"), [(0.0, "FAIL"), (0.5, "FAIL"), (0.7, "PASS"), (900.0, "PASS")])
def test_each_collection_must_free_something(freed: float, verdict: str) -> None:
    finding = only(check_gc(Source(runtime("api", gc_collections=2, gc_collected=freed)), BUDGET))
    assert (finding.check, finding.where, finding.verdict) == ("gc", "api", verdict)
    assert finding.message == (
        f"garbage collector of api: {freed / 2:.3g} objects a collection in 198 in the calm,"
        " allowed at least 0.3 objects a collection"
    )


@pytest.mark.parametrize(
    ("lasts", "each", "verdict"), [(20, 1.4, "PASS"), (100, 1.4, "FAIL"), (1000, 0.9, "PASS"), (1000, 1.1, "FAIL")]
)
def test_a_collector_that_hardly_runs_wastes_nothing(lasts: int, each: float, verdict: str) -> None:
    series = runtime("api", lasts=lasts, gc_collections=each, gc_collected=0)
    finding = only(check_gc(Source(series), BUDGET))
    assert finding.verdict == verdict
    assert ("too few or too short to waste much" in finding.message) == (verdict == "PASS")


@pytest.mark.parametrize(("paused_s", "verdict"), [(0.003, "PASS"), (0.02, "FAIL")])
def test_pauses_that_take_next_to_no_time_waste_none(paused_s: float, verdict: str) -> None:
    """It runs twice a second and frees nothing, as in a service that makes no cycles."""
    series = runtime("api", gc_collections=2, gc_collected=0, gc_pauses=2, gc_pause_s=paused_s)
    assert only(check_gc(Source(series), BUDGET)).verdict == verdict


def test_a_service_that_tells_nothing_has_no_finding() -> None:
    assert check_gc(Source(runtime("api", heap_bytes=1)), BUDGET) == []
    assert check_gc(Source(runtime("api", gc_collections=1)), BUDGET) == []
    found = check_gc(Source(runtime("b", gc_collections=1, gc_collected=1) | runtime("a", tasks=1)), BUDGET)
    assert [finding.where for finding in found] == ["b"]


def test_what_the_collector_did_in_a_fault_is_not_judged() -> None:
    freed = np.cumsum([9.0] * 40 + [0.0] * 20 + [9.0] * 40)
    runs = np.cumsum([1.0] * 40 + [1e6] * 20 + [1.0] * 40)
    series = {"runtime.api.gc_collections": ticks(runs), "runtime.api.gc_collected": ticks(freed)}
    assert only(check_gc(Source(series, disturbed=[(40, 60)]), BUDGET)).verdict == "PASS"
    assert only(check_gc(Source(series), BUDGET)).verdict == "FAIL"


def test_a_restart_does_not_take_away_what_was_freed() -> None:
    freed = [20.0 * (n % 50) for n in range(TICKS)]
    runs = [2.0 * (n % 50) for n in range(TICKS)]
    series = {"runtime.api.gc_collections": ticks(runs), "runtime.api.gc_collected": ticks(freed)}
    assert only(check_gc(Source(series), BUDGET)).observed == "10 objects a collection"


def test_a_collector_that_was_not_watched_is_undecided() -> None:
    series = runtime("api", gc_collections=2, gc_collected=900)
    series["runtime.api.gc_collected"] = ticks([900.0 * n if n < 50 else float("nan") for n in range(TICKS)])
    finding = only(check_gc(Source(series), BUDGET))
    assert finding.verdict == "INCONCLUSIVE"
    assert "of the calm was watched" in finding.message


def test_pauses_are_told_by_quantiles_and_share() -> None:
    pauses = np.cumsum([10.0] * TICKS)
    paused_s = np.cumsum([10 * (0.1 if n >= 90 else 0.01) for n in range(TICKS)])
    series = runtime("api", gc_collections=10, gc_collected=10)
    series |= {"runtime.api.gc_pauses": ticks(pauses), "runtime.api.gc_pause_s": ticks(paused_s)}
    message = only(check_gc(Source(series), BUDGET)).message
    assert message.endswith("; pauses p50 10 ms, p95 100 ms, p99 100 ms, 19.09% of the time")
    series.pop("runtime.api.gc_pause_s")
    assert "pauses" not in only(check_gc(Source(series), BUDGET)).message


@PATIENT
@given(st.floats(0.31, 1e6), st.floats(0.31, 100))
def test_more_freed_is_never_worse(freed: float, runs: float) -> None:
    finding = only(check_gc(Source(runtime("api", gc_collections=runs, gc_collected=freed * runs)), BUDGET))
    assert finding.verdict == "PASS"
    more = only(check_gc(Source(runtime("api", gc_collections=runs, gc_collected=0)), BUDGET))
    assert more.verdict == ("FAIL" if runs * (TICKS - 1) >= 30 and runs >= 1 else "PASS")
