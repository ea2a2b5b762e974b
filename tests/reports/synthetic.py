"""A run that never was: a real journal of about 150 s with two faults and a burst of errors."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable
from pathlib import Path

from harness.journal import Journal
from harness.records import Event
from harness.verdict import Decision, Finding, Measurement, Verdict

OPERATIONS = ("cache_get", "ledger_write", "rpc_echo")
SERVICES = {"api": 60e6, "postgres": 90e6, "redis": 9e6}
# A spike of one tick: it must be seen in every drawing, however thin.
SPIKE_AT, SPIKE_S = 71, 2.9

EVENTS = (
    Event(0.0, "phase", {"name": "steady_state"}),
    Event(10.0, "phase", {"name": "warm_up"}),
    Event(40.0, "phase", {"name": "faults"}),
    Event(60.0, "fault", {"step": "injected", "fault": "latency", "target": "api_postgres", "rtt_s": 0.2}),
    Event(60.4, "fault", {"step": "proved", "fault": "latency", "target": "api_postgres", "rtt_s": 0.2}),
    Event(70.0, "fault", {"step": "healing", "fault": "latency", "target": "api_postgres", "rtt_s": 0.2}),
    Event(70.3, "fault", {"step": "healed", "fault": "latency", "target": "api_postgres", "rtt_s": 0.2}),
    Event(85.0, "fault", {"step": "injected", "fault": "down", "target": "api_redis"}),
    Event(85.1, "fault", {"step": "proved", "fault": "down", "target": "api_redis"}),
    Event(93.0, "fault", {"step": "healing", "fault": "down", "target": "api_redis"}),
    Event(93.2, "fault", {"step": "healed", "fault": "down", "target": "api_redis"}),
    Event(100.0, "phase", {"name": "hold"}),
    Event(130.0, "phase", {"name": "drain"}),
)

FINDINGS = (
    Finding("generator", Verdict.PASS, "late in 0% of 150 ticks", "at most 10% of ticks", "generator", "on time"),
    Finding(
        "recovery", Verdict.PASS, "1.0 s", "10.0 s", "latency api_postgres", "recovery latency api_postgres: 1.0 s"
    ),
    Finding("faults", Verdict.INCONCLUSIVE, "no effect seen", "effect seen", "pause api", "fault pause api: nothing"),
    Finding(
        "recovery",
        Verdict.FAIL,
        "12.4 s (last bad 12.0 s)",
        "10.0 s",
        "down api_redis",
        "recovery down api_redis: 12.4 s (last bad 12.0 s), allowed 10.0 s, heal at 93.2 s",
    ),
)
MEASUREMENTS = (
    Measurement("mttr", "mean 6.7 s", "all faults", "recovery time: mean 6.7 s (n=2, 0 censored)", {"mean_s": 6.7}),
)


def write_run(
    folder: Path,
    *,
    ticks: int = 150,
    events: Iterable[Event] = EVENTS,
    findings: tuple[Finding, ...] = FINDINGS,
    measurements: tuple[Measurement, ...] = MEASUREMENTS,
    services: Iterable[str] = SERVICES,
) -> Path:
    """Write a whole run into `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    waiting = sorted(events, key=lambda event: event.t_s)
    draw = random.Random(7331)
    with Journal(folder) as journal:
        journal.write_meta(_META | {"run_id": folder.name})
        for n in range(1, ticks + 1):
            due = [event for event in waiting if event.t_s <= n]
            waiting = waiting[len(due) :]
            journal.write_tick(n + draw.uniform(0, 0.01), _tick(n, draw, services), due)
    (folder / "api.log").write_text("ready\n", encoding="utf-8")
    (folder / "timeline.json").write_text(json.dumps(_TIMELINE), encoding="utf-8")
    gravest = max((f.verdict for f in findings), key=list(Verdict).index)
    verdict = Verdict.FAIL if any(f.verdict is Verdict.FAIL for f in findings) else gravest
    started_at = str(_META["started_at"])
    Decision(verdict, folder.name, "soak_short", 7331, "local", started_at, 152.3, findings, measurements).write(folder)
    return folder


_META: dict[str, object] = {
    "scenario": "soak_short",
    "seed": 7331,
    "stack": "local",
    "started_at": "2025-03-01T09:30:00+00:00",
    "versions": {"postgres": "16.4", "redis": "7.0.15", "toxiproxy": "2.12.0"},
    "host": {"system": "Linux 6.1", "cores": 2, "memory_bytes": 8e9},
    "budget": {"error_fraction": 0.001, "recovery_s": 10.0, "memory_ceiling_bytes": 450e6},
    "rate_per_s": 200.0,
    "time_scale": 1.0,
    "defects": ["leak_memory"],
}

_TIMELINE = {
    "warm_s": 40.0,
    "planned": [
        {"inject_s": 20.0, "heal_s": 30.0, "fault": "latency", "target": "api_postgres", "rtt_s": 0.2},
        {"inject_s": 45.0, "heal_s": 53.0, "fault": "down", "target": "api_redis"},
        {"inject_s": 70.0, "heal_s": 80.0, "fault": "down", "target": "client_api"},
    ],
    "played": [],
}


def _tick(n: int, draw: random.Random, services: Iterable[str]) -> dict[str, float]:
    slow, broken = 60 <= n <= 70, 85 <= n <= 94
    offered = 20 if n < 10 else min(200, 20 + 18 * (n - 10))
    values = {"load.all.offered": float(offered), "generator.in_flight": offered * (0.3 if slow else 0.02)}
    values |= {"generator.lag_s_max": draw.uniform(1e-3, 6e-3), "generator.lag_s_p95": 1e-3}
    values |= {"generator.rss_bytes": 110e6 + 1e4 * n, "generator.cpu_s": 0.2 * n}
    for operation in OPERATIONS:
        share = offered / len(OPERATIONS)
        bad = 0.7 * share if broken and operation == "cache_get" else 0.0
        values[f"load.{operation}.ok"] = share - bad
        if bad:
            values |= {f"load.{operation}.refused": 0.8 * bad, f"load.{operation}.timed_out": 0.2 * bad}
        base_s = draw.uniform(0.9, 1.1) * (0.21 if slow and operation == "ledger_write" else 0.004)
        values |= _quantiles(operation, base_s)
    values |= _quantiles("all", draw.uniform(0.004, 0.005) + (0.05 if slow else 0))
    if n == SPIKE_AT:
        values["load.all.response_s_p99"] = SPIKE_S
    for m, service in enumerate(services):
        grown = 2e5 * n if service == "api" else 3e5 * math.sin(n / 5)
        values |= {
            f"process.{service}.rss_bytes": SERVICES.get(service, 20e6) + grown,
            f"process.{service}.cpu_s": (0.1 + 0.05 * m) * n,
            f"process.{service}.fds": 20.0 + m + (10 if broken else 0),
            f"process.{service}.threads": 4.0 + m,
        }
    return values


def _quantiles(operation: str, base_s: float) -> dict[str, float]:
    return {
        f"load.{operation}.response_s_p50": base_s,
        f"load.{operation}.response_s_p95": 2 * base_s,
        f"load.{operation}.response_s_p99": 4 * base_s,
    }
