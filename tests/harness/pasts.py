"""Runs that never ran, as later runs read them."""

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.comparison.earlier_runs import FIGURES_NAME, CalmWindow, Figures, Key

KEY = Key(
    profile="soak_short",
    target="infra/targets/reference.toml",
    provider="local",
    host="Linux x86_64, 2 cores, 24 GiB, Python 3.11",
    time_scale=1.0,
    load="200/s",
    version="0.1.0",
)
USUAL = {
    "latency_s_p50": 0.1,
    "latency_s_p95": 0.2,
    "latency_s_p99": 0.4,
    "throughput_per_s": 200.0,
    "error_fraction": 0.0,
    "recovery_s.down api_redis": 3.0,
    "recovery_censored.down api_redis": 0.0,
    "cpu_s_per_request": 0.004,
    "memory_bytes": 3e8,
    "leak.process.api.rss_bytes.slope": 10.0,
}
_FIRST = datetime(2026, 9, 1, 3, tzinfo=UTC)


def windows(p95_s: float = 0.2, n: int = 20) -> tuple[CalmWindow, ...]:
    """Return the windows of a calm run."""
    return tuple(CalmWindow(10.0 * (k + 1), p95_s * (1 + 0.01 * (k % 3)), 2000.0) for k in range(n))


def run(
    n: int = 0,
    changed: Mapping[str, float | None] | None = None,
    *,
    failed: tuple[str, ...] = (),
    key: Key = KEY,
    p95_s: float = 0.2,
) -> Figures:
    """Return the run of day `n`, usual but for the figures changed; None takes one away."""
    at = _FIRST + timedelta(days=n)
    figures = {name: value for name, value in {**USUAL, **(changed or {})}.items() if value is not None}
    run_id = f"{at:%Y%m%dT%H%M%S}-soak_short-{n:04x}"
    return Figures(run_id, at.isoformat(), key, figures, windows(p95_s), failed)


def keep(run: Figures, runs: Path) -> Path:
    """Write a run's folder under `runs` as a run leaves it, as far as history looks."""
    folder = runs / run.run_id
    folder.mkdir(parents=True)
    (folder / "journal.db").touch()
    run.write(folder / FIGURES_NAME)
    return folder


def on(key: Key = KEY, **changes: Any) -> Key:
    """Return a key that differs."""
    return dataclasses.replace(key, **changes)
