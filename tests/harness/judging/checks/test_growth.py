from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.criteria.budget import Budget
from harness.judging.checks.growth import check_growth, without_passing
from harness.judging.evidence import Evidence
from harness.records import Event
from harness.verdict import Finding, Measurement, Verdict
from tests.harness.runs import PER_TICK, TICKS, evidence, fault, healthy

BUDGET = Budget(memory_growth_bytes_per_request=2048.0, memory_ceiling_bytes=200e6)
A_TICK = 2 * PER_TICK


def growing(n: int, bytes_per_request: float) -> dict[str, float]:
    return healthy(n) | {"process.api.rss_bytes": 8e7 + n * A_TICK * bytes_per_request}


def of(kind: str, run: Evidence, budget: Budget = BUDGET) -> list[Finding]:
    """Return the findings about one kind of gauge."""
    found = (f for f in check_growth(run, budget) if isinstance(f, Finding))
    return [f for f in found if f.check == f"{kind}_growth"]


def memory(run: Evidence, budget: Budget) -> list[Finding]:
    return of("memory", run, budget)


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


@pytest.mark.parametrize(("bytes_per_request", "verdict"), [(0, "PASS"), (200, "PASS"), (8192, "FAIL")])
def test_growth_is_counted_by_request(tmp_path: Path, bytes_per_request: float, verdict: str) -> None:
    run = evidence(tmp_path, lambda n: growing(n, bytes_per_request))
    finding = only(memory(run, Budget(memory_growth_bytes_per_request=2048.0)))
    assert finding.verdict == verdict
    assert finding.where == "api"
    numbers = finding.figures
    assert numbers["observed"] == pytest.approx(bytes_per_request, abs=float(numbers["half_width"]))
    assert (numbers["allowed"], numbers["unit"]) == (2048, "B/request")


def test_a_finding_has_its_score_and_what_this_run_could_have_shown(tmp_path: Path) -> None:
    numbers = only(memory(evidence(tmp_path), BUDGET)).figures
    assert numbers["score"] == pytest.approx(0.0, abs=0.05)
    assert numbers["detectable"] == pytest.approx(2.5 * float(numbers["half_width"]))
    assert numbers["samples"] == TICKS - 20


def test_growth_during_warm_up_and_a_fault_is_not_judged(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        disturbed = n < 20 or 70 <= n < 81
        return healthy(n) | ({"process.api.rss_bytes": 8e7 + n * 1e6} if disturbed else {})

    assert only(memory(evidence(tmp_path, tick, faults=[fault(70.0, 80.0)]), BUDGET)).verdict == "PASS"


def test_each_service_is_judged_but_the_proxy_that_buffers(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        leaking = 5e7 + n * A_TICK * 8192.0
        return healthy(n) | {"container.redis.memory_bytes": leaking, "process.toxiproxy.rss_bytes": leaking}

    told = {f.where: f.verdict.value for f in memory(evidence(tmp_path, tick), BUDGET)}
    assert told == {"api": "PASS", "redis": "FAIL"}


def test_a_gauge_with_holes_is_inconclusive(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return {name: value for name, value in healthy(n).items() if n % 5 or not name.startswith("process.api")}

    finding = only(memory(evidence(tmp_path, tick), BUDGET))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert f"only 80 of {TICKS - 20} samples present" in finding.message


def test_memory_without_load_is_inconclusive(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return {"generator.rss_bytes": 1.0, "process.api.rss_bytes": 8e7 + n * 1e6}

    assert only(memory(evidence(tmp_path, tick), BUDGET)).verdict is Verdict.INCONCLUSIVE


def pooled(n: int) -> int:
    """Return a pool's size: wide for ten seconds of every thirty, and one more for good from half time on."""
    return 5 + (15 if n % 30 < 10 else 0) + (n >= TICKS // 2)


@pytest.mark.parametrize(("bytes_per_request", "verdict"), [(0, "PASS"), (8192, "FAIL")])
def test_a_pool_that_widens_is_no_leak_and_hides_none(tmp_path: Path, bytes_per_request: float, verdict: str) -> None:
    def tick(n: int) -> dict[str, float]:
        grown = growing(n, bytes_per_request)
        more = {"process.api.rss_bytes": grown["process.api.rss_bytes"] + pooled(n) * 1.5e6}
        return grown | more | {"process.api.children": pooled(n)}

    assert only(memory(evidence(tmp_path, tick), BUDGET)).verdict == verdict


def test_one_process_more_towards_the_end_does_not_hide_a_leak(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return growing(n, 8192) | {"process.api.children": 5 + (n >= 105)}

    assert only(memory(evidence(tmp_path, tick), BUDGET)).verdict == "FAIL"


@pytest.mark.parametrize(("each_ticks", "verdict"), [(0.25, "FAIL"), (0.5, "FAIL"), (10, "PASS")])
def test_processes_that_never_end_are_told(tmp_path: Path, each_ticks: float, verdict: str) -> None:
    def tick(n: int) -> dict[str, float]:
        return healthy(n) | {"process.api.children": n // each_ticks}

    (finding,) = of("processes", evidence(tmp_path, tick))
    assert finding.verdict == verdict, finding.message
    assert finding.where == "api"


def test_a_pool_that_widens_and_narrows_again_is_no_growth(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return healthy(n) | {"process.api.children": 40 if 50 <= n < 70 else 5}

    (finding,) = of("processes", evidence(tmp_path, tick))
    assert finding.verdict == "PASS"


GAUGES = {
    "process.api.fds": ("descriptors", 0.02),
    "process.api.threads": ("threads", 0.02),
    "runtime.api.asyncio_tasks": ("tasks", 0.02),
    "runtime.api.sessions": ("sessions", 0.02),
    "witness.postgres.connections": ("connections", 0.02),
    "runtime.api.heap_bytes": ("heap", 4096.0),
    "log.api.bytes": ("log_bytes", 4096.0),
    "witness.redis.keys": ("keys", 0.5),
}


@pytest.mark.parametrize("series", GAUGES)
@pytest.mark.parametrize("leaks", [True, False])
def test_every_gauge_that_can_leak_is_judged(tmp_path: Path, series: str, leaks: bool) -> None:  # noqa: FBT001 - a case
    kind, each = GAUGES[series]
    run = evidence(tmp_path, lambda n: healthy(n) | {series: 100.0 + (n * A_TICK * each if leaks else n % 3)})
    (finding,) = of(kind, run, Budget())
    assert finding.verdict is (Verdict.FAIL if leaks else Verdict.PASS), finding.message


def test_a_log_that_is_rotated_grows_all_the_same(tmp_path: Path) -> None:
    run = evidence(tmp_path, lambda n: healthy(n) | {"log.api.bytes": float(n % 20 * A_TICK * 4096)})
    (finding,) = of("log_bytes", run, Budget())
    assert finding.verdict is Verdict.FAIL, finding.message


def test_what_a_short_run_leaves_undecided_is_a_measurement(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return healthy(n) | {"process.api.fds": 50.0 + 40 * (n % 50 > 25)}

    results = check_growth(evidence(tmp_path, tick, load_end_s=80.0), Budget(fds_growth_per_request=0.0005))
    assert not [each for each in results if each.check == "descriptors_growth"]
    (measured,) = [each for each in results if each.check == "growth"]
    assert isinstance(measured, Measurement)
    assert "process.api.fds" in measured.message


def test_a_long_run_decides_by_the_hour_as_well(tmp_path: Path) -> None:
    """What grows without requests is a leak by the hour only."""

    def tick(n: int) -> dict[str, float]:
        return healthy(n) | {"process.api.rss_bytes": 8e7 + n * 1e5}

    run, budget = evidence(tmp_path, tick), Budget(memory_growth_bytes_per_request=1e6, growth_decides_after_s=60.0)
    found = {f.figures["unit"]: f for f in memory(run, budget)}
    assert found["B/request"].verdict is Verdict.PASS
    assert found["B/h"].verdict is Verdict.FAIL
    assert found["B/h"].figures["allowed"] == 10e6


def test_a_restart_is_no_release_and_each_life_is_judged_alone(tmp_path: Path) -> None:
    """It leaks, and a restart in mid-run gives it all back: over the whole run nothing seems to have grown."""
    again = Event(40.5, "service_restarted", {"service": "api", "before": "1", "after": "2"})

    def tick(n: int) -> dict[str, float]:
        return healthy(n) | {"process.api.rss_bytes": 8e7 + (n if n < 40 else n - 40) * A_TICK * 8192.0}

    finding = only(memory(evidence(tmp_path, tick, events=[again]), BUDGET))
    assert finding.verdict is Verdict.FAIL
    assert "its longest stretch without a restart" in finding.message


def test_a_gap_of_a_resumed_run_is_one_too(tmp_path: Path) -> None:
    gap = Event(40.0, "gap", {"from_s": 40.0, "to_s": 45.0})
    warm = Event(60.0, "phase", {"name": "faults"})

    def tick(n: int) -> dict[str, float]:
        return healthy(n) | {"process.api.rss_bytes": 8e7 + (0 if n < 40 else 5e7)}

    finding = only(memory(evidence(tmp_path, tick, events=[gap, warm]), BUDGET))
    assert finding.verdict is Verdict.PASS, finding.message
    assert "from 61.0 to 120.0 s" in finding.message


@given(counts=st.lists(st.integers(0, 30), max_size=60), size=st.floats(0, 1e7))
def test_what_passing_processes_hold_is_taken_away(counts: list[int], size: float) -> None:
    processes = np.array(counts, dtype=np.float64)
    left = without_passing(8e7 + size * processes, processes)
    lasting = [min(counts[n:]) for n in range(len(counts))]
    assert left == pytest.approx(8e7 + size * np.array(lasting, dtype=np.float64))


def test_what_lasting_processes_hold_is_growth(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return healthy(n) | {"process.api.rss_bytes": 8e7 + n // 5 * 9e6, "process.api.children": n // 5}

    assert only(memory(evidence(tmp_path, tick), BUDGET)).verdict == "FAIL"


@given(st.lists(st.floats(0, 1e9), max_size=30))
def test_a_service_of_one_size_is_left_alone(memory: list[float]) -> None:
    y = np.array(memory)
    assert without_passing(y, np.full(len(y), 3.0)).tolist() == memory
    assert without_passing(y, np.full(len(y), np.nan)).tolist() == memory
