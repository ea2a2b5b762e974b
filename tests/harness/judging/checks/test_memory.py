from pathlib import Path

import pytest

from harness.criteria.budget import Budget
from harness.judging.checks.memory import check_memory_ceiling, check_memory_rules
from harness.records import Event
from harness.verdict import Finding, Verdict
from tests.harness.runs import but, evidence, healthy

BUDGET = Budget(memory_ceiling_bytes=200e6)
# As if the run were a day's.
RULES = Budget(memory_growth_bytes=20e6, second_half_growth_bytes_per_h=400e6)


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


@pytest.mark.parametrize(("peak_bytes", "verdict"), [(200e6, "PASS"), (200e6 + 1, "FAIL")])
def test_the_ceiling_holds_at_every_moment(tmp_path: Path, peak_bytes: float, verdict: str) -> None:
    # In the warm-up, too: a machine that swaps does not care why.
    run = evidence(tmp_path, but(lambda n: n == 3, process__api__rss_bytes=peak_bytes))
    finding = only(check_memory_ceiling(run, BUDGET))
    assert finding.verdict == verdict
    assert dict(finding.figures) == {"observed": peak_bytes, "allowed": 200e6, "unit": "B"}


def test_a_service_seen_only_at_times_is_held_to_the_ceiling_too(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return healthy(n) | ({"container.redis.memory_bytes": 300e6} if n == 50 else {})

    told = {f.where: f.verdict.value for f in check_memory_ceiling(evidence(tmp_path, tick), BUDGET)}
    assert told == {"api": "PASS", "redis": "FAIL"}


@pytest.mark.parametrize(
    ("per_tick", "over", "half"),
    [(0.0, Verdict.PASS, Verdict.PASS), (1e6, Verdict.FAIL, Verdict.FAIL)],
)
def test_growth_over_the_run_and_in_its_second_half(
    tmp_path: Path, per_tick: float, over: Verdict, half: Verdict
) -> None:
    run = evidence(tmp_path, lambda n: healthy(n) | {"process.api.rss_bytes": 8e7 + n * per_tick})
    told = {f.where: f.verdict for f in check_memory_rules(run, RULES)}
    assert told == {"api over the run": over, "api in the second half": half}


def test_what_fills_early_is_growth_over_the_run_and_none_in_its_second_half(tmp_path: Path) -> None:
    run = evidence(tmp_path, lambda n: healthy(n) | {"process.api.rss_bytes": 8e7 + min(n, 50) * 1e6})
    told = {f.where: f.verdict for f in check_memory_rules(run, RULES)}
    assert told == {"api over the run": Verdict.FAIL, "api in the second half": Verdict.PASS}


def test_a_restarted_service_may_fill_up_again(tmp_path: Path) -> None:
    """It was killed in mid-run and started again; only what it grows by after as long a warm-up as the run's counts."""
    phases = [Event(0.5, "phase", {"name": "warm_up"}), Event(20.5, "phase", {"name": "faults"})]
    again = Event(40.5, "service_restarted", {"service": "api", "before": "1", "after": "2"})

    def over(folder: Path, *, fills_s: int) -> Verdict:
        def tick(n: int) -> dict[str, float]:
            return healthy(n) | {"process.api.rss_bytes": 5e7 + 3e7 * min(1.0, max(0, n - 40) / fills_s)}

        told = check_memory_rules(evidence(folder, tick, events=[*phases, again]), RULES)
        return next(f.verdict for f in told if f.where == "api over the run")

    assert over(tmp_path / "filling", fills_s=20) is Verdict.INCONCLUSIVE, "no life of it lasted as long as the run"
    assert over(tmp_path / "growing", fills_s=80) is Verdict.FAIL
