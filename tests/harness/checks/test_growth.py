from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.budget import Budget
from harness.checks.memory import check_memory_ceiling, check_memory_growth, check_process_growth, without_passing
from harness.verdict import Finding, Verdict
from tests.harness.runs import PER_TICK, TICKS, but, evidence, fault, healthy

BUDGET = Budget(memory_growth_bytes_per_request=2048.0, memory_ceiling_bytes=200e6)
A_TICK = 2 * PER_TICK


def growing(n: int, bytes_per_request: float) -> dict[str, float]:
    return healthy(n) | {"process.api.rss_bytes": 8e7 + n * A_TICK * bytes_per_request}


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


@pytest.mark.parametrize(("bytes_per_request", "verdict"), [(0, "PASS"), (200, "PASS"), (8192, "FAIL")])
def test_growth_is_counted_by_request(tmp_path: Path, bytes_per_request: float, verdict: str) -> None:
    run = evidence(tmp_path, lambda n: growing(n, bytes_per_request))
    finding = only(check_memory_growth(run, Budget(memory_growth_bytes_per_request=2048.0)))
    assert finding.verdict == verdict
    assert finding.where == "api"
    assert finding.observed.startswith(f"{bytes_per_request:.0f} +- ")


def test_the_message_says_what_this_run_could_have_shown(tmp_path: Path) -> None:
    message = only(check_memory_growth(evidence(tmp_path), BUDGET)).message
    assert "budget 2048 B/request" in message
    assert "this run can show a leak of " in message


def test_growth_during_warm_up_and_a_fault_is_not_judged(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        disturbed = n < 20 or 70 <= n < 81
        return healthy(n) | ({"process.api.rss_bytes": 8e7 + n * 1e6} if disturbed else {})

    assert only(check_memory_growth(evidence(tmp_path, tick, faults=[fault(70.0, 80.0)]), BUDGET)).verdict == "PASS"


def test_each_service_is_judged_but_the_proxy_that_buffers(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        leaking = 5e7 + n * A_TICK * 8192.0
        return healthy(n) | {"container.redis.memory_bytes": leaking, "process.toxiproxy.rss_bytes": leaking}

    told = {f.where: f.verdict.value for f in check_memory_growth(evidence(tmp_path, tick), BUDGET)}
    assert told == {"api": "PASS", "redis": "FAIL"}


def test_a_gauge_with_holes_is_inconclusive(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return {name: value for name, value in healthy(n).items() if n % 5 or not name.startswith("process.api")}

    finding = only(check_memory_growth(evidence(tmp_path, tick), BUDGET))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert f"only 80 of {TICKS - 20} samples present" in finding.message


def test_memory_without_load_is_inconclusive(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return {"generator.rss_bytes": 1.0, "process.api.rss_bytes": 8e7 + n * 1e6}

    assert only(check_memory_growth(evidence(tmp_path, tick), BUDGET)).verdict is Verdict.INCONCLUSIVE


def pooled(n: int) -> int:
    """Return a pool's size: wide for ten seconds of every thirty, and one more for good from half time on."""
    return 5 + (15 if n % 30 < 10 else 0) + (n >= TICKS // 2)


@pytest.mark.parametrize(("bytes_per_request", "verdict"), [(0, "PASS"), (8192, "FAIL")])
def test_a_pool_that_widens_is_no_leak_and_hides_none(tmp_path: Path, bytes_per_request: float, verdict: str) -> None:
    def tick(n: int) -> dict[str, float]:
        grown = growing(n, bytes_per_request)
        more = {"process.api.rss_bytes": grown["process.api.rss_bytes"] + pooled(n) * 1.5e6}
        return grown | more | {"process.api.children": pooled(n)}

    assert only(check_memory_growth(evidence(tmp_path, tick), BUDGET)).verdict == verdict


def test_one_process_more_towards_the_end_does_not_hide_a_leak(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return growing(n, 8192) | {"process.api.children": 5 + (n >= 105)}

    assert only(check_memory_growth(evidence(tmp_path, tick), BUDGET)).verdict == "FAIL"


@pytest.mark.parametrize(("each_ticks", "verdict"), [(1, "FAIL"), (3, "FAIL"), (10, "PASS")])
def test_processes_that_never_end_are_told(tmp_path: Path, each_ticks: int, verdict: str) -> None:
    def tick(n: int) -> dict[str, float]:
        return healthy(n) | {"process.api.children": n // each_ticks}

    finding = only(check_process_growth(evidence(tmp_path, tick)))
    assert finding.verdict == verdict, finding.message
    assert finding.where == "api"


def test_a_pool_that_widens_and_narrows_again_is_no_growth(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return healthy(n) | {"process.api.children": 40 if 50 <= n < 70 else 5}

    assert only(check_process_growth(evidence(tmp_path, tick))).observed == "+0"


def test_too_few_samples_to_compare_are_inconclusive(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return {name: value for name, value in healthy(n).items() if n in {50, 60} or not name.endswith("children")}

    assert only(check_process_growth(evidence(tmp_path, tick))).verdict == "INCONCLUSIVE"


@given(counts=st.lists(st.integers(0, 30), max_size=60), size=st.floats(0, 1e7))
def test_what_passing_processes_hold_is_taken_away(counts: list[int], size: float) -> None:
    processes = np.array(counts, dtype=np.float64)
    left = without_passing(8e7 + size * processes, processes)
    lasting = [min(counts[n:]) for n in range(len(counts))]
    assert left == pytest.approx(8e7 + size * np.array(lasting, dtype=np.float64))


def test_what_lasting_processes_hold_is_growth(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return healthy(n) | {"process.api.rss_bytes": 8e7 + n // 5 * 9e6, "process.api.children": n // 5}

    assert only(check_memory_growth(evidence(tmp_path, tick), BUDGET)).verdict == "FAIL"


@given(st.lists(st.floats(0, 1e9), max_size=30))
def test_a_service_of_one_size_is_left_alone(memory: list[float]) -> None:
    y = np.array(memory)
    assert without_passing(y, np.full(len(y), 3.0)).tolist() == memory
    assert without_passing(y, np.full(len(y), np.nan)).tolist() == memory


@pytest.mark.parametrize(("peak_bytes", "verdict"), [(200e6, "PASS"), (200e6 + 1, "FAIL")])
def test_the_ceiling_holds_at_every_moment(tmp_path: Path, peak_bytes: float, verdict: str) -> None:
    # In the warm-up, too: a machine that swaps does not care why.
    run = evidence(tmp_path, but(lambda n: n == 3, process__api__rss_bytes=peak_bytes))
    finding = only(check_memory_ceiling(run, BUDGET))
    assert finding.verdict == verdict
    assert finding.message == "api held 200.0 MB at most, ceiling 200.0 MB"


def test_a_service_seen_only_at_times_is_held_to_the_ceiling_too(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return healthy(n) | ({"container.redis.memory_bytes": 300e6} if n == 50 else {})

    told = {f.where: f.verdict.value for f in check_memory_ceiling(evidence(tmp_path, tick), BUDGET)}
    assert told == {"api": "PASS", "redis": "FAIL"}
