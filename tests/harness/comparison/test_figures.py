from pathlib import Path

import numpy as np
import pytest

from harness.comparison.figures import as_windows, calm_windows, measure, read_latency
from harness.journal import JournalReader
from harness.stats.leak import Leak
from harness.verdict import Verdict
from tests.harness.runs import PER_TICK, TICKS, WARM_S, always, but, evidence, fault, healthy


def figures(folder: Path, *args: object, **changes: object) -> dict[str, float]:
    one = evidence(folder, *args, **changes)  # type: ignore[arg-type]
    with JournalReader(folder) as journal:
        return measure(one, read_latency(journal, one.series.t_s), {})


def test_a_calm_run_in_figures(tmp_path: Path) -> None:
    seen = figures(tmp_path)
    assert seen.pop("memory_bytes") == seen.pop("memory_bytes.api") == pytest.approx(8e7, rel=0.01)
    assert seen == pytest.approx(
        {
            "latency_s_p95": 0.011,
            "throughput_per_s": 2 * PER_TICK,
            "error_fraction": 0.0,
            "cpu_s_per_request.api": 0.2 / (2 * PER_TICK),
            "cpu_s_per_request": 0.2 / (2 * PER_TICK),
        }
    )


def test_faults_warm_up_and_late_ticks_are_not_the_runs_calm(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        spoilt = n < WARM_S or 40 <= n < 55 or n == 70
        late_s = 0.5 if n == 70 else 0.001
        bad = {"load.cache_get.ok": 0, "load.cache_get.reset": PER_TICK, "load.all.response_s_p95": 3.0}
        return healthy(n) | {"generator.lag_s_p95": late_s} | (bad if spoilt else {})

    seen = figures(tmp_path, tick, faults=[fault(40.0, 50.0)])
    assert seen["error_fraction"] == 0.0
    assert seen["latency_s_p95"] == pytest.approx(0.011)
    assert seen["throughput_per_s"] == pytest.approx(2 * PER_TICK)
    assert seen["recovery_s.down api_redis"] == 6.0
    assert seen["recovery_censored.down api_redis"] == 0.0


def test_of_equal_faults_the_longest_recovery_counts_and_one_that_was_not_seen_says_so(tmp_path: Path) -> None:
    run = but(lambda n: 40 <= n < 52 or n >= 80, load__cache_get__ok=0, load__cache_get__reset=PER_TICK)
    seen = figures(tmp_path, run, faults=[fault(40.0, 50.0), fault(80.0, 90.0)])
    assert seen["recovery_s.down api_redis"] == TICKS - 90
    assert seen["recovery_censored.down api_redis"] == 1.0


def test_errors_and_a_restart_are_counted_for_what_they_are(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        cpu_s = n * 0.2 if n < 60 else (n - 60) * 0.2
        return healthy(n) | {"load.cache_get.reset": PER_TICK, "process.api.cpu_s": cpu_s}

    seen = figures(tmp_path, tick)
    assert seen["error_fraction"] == pytest.approx(1 / 3)
    assert seen["cpu_s_per_request.api"] == pytest.approx(0.2 / (3 * PER_TICK))


def test_what_was_not_measured_is_absent(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return {name: value for name, value in healthy(n).items() if not name.startswith("process.")}

    seen = figures(tmp_path, tick, services=("api", "redis"))
    assert not [name for name in seen if name.startswith(("cpu_s", "memory"))]
    nothing_calm = figures(tmp_path / "never warm", warm_s=float("inf"))
    assert nothing_calm == {}


def test_a_sum_without_one_of_its_parts_is_not_told(tmp_path: Path) -> None:
    seen = figures(tmp_path, services=("api", "redis"))
    assert "memory_bytes.api" in seen
    assert "memory_bytes" not in seen


def test_leaks_are_kept_with_their_half_width(tmp_path: Path) -> None:
    known = Leak(Verdict.PASS, 3.0, 2.0, "")
    unknown = Leak(Verdict.INCONCLUSIVE, float("nan"), float("inf"), "")
    seen = measure(evidence(tmp_path), {}, {"process.api.rss_bytes": known, "process.api.fds": unknown})
    assert {name: value for name, value in seen.items() if name.startswith("leak")} == {
        "leak.process.api.rss_bytes.slope": 3.0,
        "leak.process.api.rss_bytes.half_width": 2.0,
    }


def test_every_quantile_is_read_on_the_runs_ticks(tmp_path: Path) -> None:
    run = but(lambda n: n % 2 == 0, load__all__response_s_p50=0.005)
    one = evidence(tmp_path, run)
    with JournalReader(tmp_path) as journal:
        seen = read_latency(journal, one.series.t_s)
    assert set(seen) == {"p50", "p95", "p99"}
    assert np.isfinite(seen["p95"]).all()
    assert np.isnan(seen["p99"]).all()
    assert np.nan_to_num(seen["p50"])[:4].tolist() == [0.005, 0.0, 0.005, 0.0]


def test_windows_are_of_the_calm_alone_and_not_too_many(tmp_path: Path) -> None:
    run = but(lambda n: 40 <= n < 53, load__all__response_s_p95=3.0)
    kept = calm_windows(evidence(tmp_path / "faulty", run, faults=[fault(40.0, 50.0)]))
    assert 20 <= len(kept) <= 50
    assert all(WARM_S < window.end_s <= TICKS + 5 and 0.009 < window.p95_s < 0.013 for window in kept)
    assert all(window.requests >= 2 * PER_TICK for window in kept)
    assert as_windows(kept).end_s.tolist() == [window.end_s for window in kept]
    long = calm_windows(evidence(tmp_path / "long", ticks=2000))
    assert len(long) <= 240
    assert calm_windows(evidence(tmp_path / "never", but(always), warm_s=float("inf"))) == ()
    assert len(as_windows(()).end_s) == 0
