"""What findings and measurements say, in `tests/golden/`: a run that passes, one that fails, one that decides nothing.

After a wording was changed on purpose, write the files again and read what
changed: `HW_GOLDEN=write make test ARGS=tests/test_golden.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.comparison.earlier_runs import EarlierRuns
from harness.comparison.trend import check_trend
from harness.criteria.budget import Budget
from harness.criteria.limits import Statistic
from harness.criteria.observations import EventSeen, Observation, SeriesSeen
from harness.history.keys import KeySet
from harness.history.ledger_read import Effects, LedgerRead
from harness.history.tally import Tally
from harness.journal import JournalReader
from harness.judging.judge import judge
from harness.judging.registry import checks
from harness.judging.source import RunSource
from harness.records import Event, Mark, Outcome, Sample
from harness.verdict import Decision, Finding, Result, Verdict, merge, split
from tests.harness.pasts import run as earlier_run
from tests.harness.runs import Tick, canary, evidence, fault, healthy, history

GOLDEN = Path(__file__).with_name("golden")
# Long enough for the checks that go by the hour, had they so short ones to decide.
TICKS, SETTLES_S, END_S = 1500, 1480.0, 1470.0
OPERATIONS = ("ledger_write", "ledger_retry", "cache_get", "ws_delivery")
PHASES = [
    Event(0.5, "phase", {"name": "control"}),
    Event(100.0, "phase", {"name": "steady_state"}),
    Event(120.0, "phase", {"name": "warm_up"}),
    Event(180.0, "phase", {"name": "faults"}),
    Event(SETTLES_S, "phase", {"name": "settle"}),
]
BUDGET = Budget(
    growth_decides_after_s=600.0,
    drift_decides_after_s=600.0,
    latency_drift_per_h=0.4,
    memory_growth_bytes_per_h=400e6,
    second_half_growth_bytes_per_h=400e6,
    resources_recovery_s=20.0,
).override(
    "golden.toml",
    {
        "series": {
            "process.api.fds": {"max": 300, "growth_per_request": 0.01},
            "runtime.api.tasks": {"max": 50, "statistic": "mean", "window_s": 60},
        }
    },
)
OBSERVED: Sequence[Observation] = (
    SeriesSeen(series="load.*.cancelled", statistic=Statistic.SUM, min=3),
    EventSeen(event="service_restarted", min=1),
)
PAST = EarlierRuns(tuple(earlier_run(n, {"latency_s_p95": 0.2 + 0.001 * (n % 5)}) for n in range(12)))


def sound(n: int) -> dict[str, float]:
    """Return a tick of a run that keeps every budget; for three seconds after a fault's heal it answers late."""
    load = {"load.ledger_retry.ok": 5, "load.ws_delivery.ok": 7, "load.cache_get.cancelled": 3.0 * (n == 500)}
    gc = {"gc_collections": 2.0 * n, "gc_collected": 40.0 * n, "gc_pauses": 2.0 * n, "gc_pause_s": 0.04 * n}
    hurt = 400 <= n < 413 or 800 <= n < 811
    return {
        **healthy(n),
        **load,
        **{f"runtime.api.{figure}": value for figure, value in gc.items()},
        "load.all.response_s_p95": 2.0 if hurt else 0.030 + 0.001 * (n % 3),
        "process.api.fds": 90.0 + (20 if hurt else n % 4),
        "runtime.api.tasks": 12.0 + n % 3,
        "runtime.api.sessions": 0.0,
        "witness.redis.clients": 5.0 + n % 2,
        "log.api.bytes": 4000.0 * n,
    }


def broken(n: int) -> dict[str, float]:
    """Return a tick of a run that breaks every budget there is."""
    leaks = max(0, n - 120)
    hurt = 400 <= n < 470 or 800 <= n < 870
    return {
        **sound(n),
        "load.cache_get.dropped": 2.0,
        "load.cache_get.bad_status": 10.0 * (n % 10 == 5),
        "load.cache_get.reset": 900.0 * hurt,
        "load.all.response_s_p95": 0.6 + 0.0002 * leaks,
        "process.api.rss_bytes": 8e7 + leaks * 200 * 8192.0,
        "process.api.fds": 90.0 + leaks,
        "process.api.children": float(leaks),
        "runtime.api.tasks": 12.0 + leaks,
        "runtime.api.sessions": float(leaks),
        "runtime.api.gc_collected": 0.0,
        "log.api.bytes": 1e6 * n,
    }


def unknown(n: int) -> dict[str, float]:
    """Return a tick of a run whose generator was always late, so that there is nothing to decide by."""
    kept = ("load.", "generator.", "runtime.api.gc", "process.api.rss", "process.api.children")
    some = {name: value for name, value in sound(n).items() if name.startswith(kept)}
    return some | {
        "load.cache_get.dropped": 5.0,
        "generator.lag_s_p95": 0.2,
        "load.ledger_retry.ok": 0.0,
        "load.ws_delivery.ok": 0.0,
    }


def wrong_answers() -> list[Sample]:
    def get(key: str, **changes: Any) -> Sample:
        return replace(Sample("cache_get", Outcome.OK, 60.0, 60.0, 60.1, key, key), **changes)

    return [
        get("key-1", answer="key-2"),
        *(get(f"key-{n}", answer="") for n in range(1, 20)),
        Sample("cache_put", Outcome.OK, 60.0, 60.0, 60.1, "key-1", wrote=99, writer="r"),
        get("key-1", read=1, writer="r", sent_s=62.0, done_s=62.1),
        get("key-3", marks=((Mark.SECOND_REPLY, 1), (Mark.NO_REPLY, 2), (Mark.DUPLICATE, 1), (Mark.TOLD_GAP, 3))),
    ]


FAULTS = [fault(400.0, 410.0), fault(800.0, 810.0)]
CANARIES = [canary(410.0, 0.31, 0.35, last_bad_s=0.3, left_out=3), canary(810.0, 0.1, 0.2)]
RESTARTED = Event(430.5, "service_restarted", {"service": "auth", "before": "1", "after": "2"})
LEDGER = LedgerRead(KeySet(f"r-{n}" for n in range(50)), effects=Effects(50))
LOSSY = LedgerRead(KeySet(f"r-{n}" for n in range(2, 51)), effects=Effects(51, Tally(["r-7 2 times"])))
# Tick, what else differs, and the figures that earlier runs are compared with.
CASES: Mapping[str, tuple[Tick, dict[str, Any], dict[str, float | None]]] = {
    "pass": (sound, {"faults": FAULTS, "events": [*PHASES, *CANARIES, RESTARTED], "found": LEDGER}, {}),
    "fail": (
        broken,
        {
            "faults": FAULTS,
            "events": [*PHASES, Event(900.5, "service_gone", {"service": "redis"})],
            "found": LOSSY,
            "history": [*history(), *wrong_answers()],
        },
        {"latency_s_p95": 0.3, "throughput_per_s": 140.0, "memory_bytes": 4e8},
    ),
    "inconclusive": (
        unknown,
        {
            "faults": [fault(400.0, 410.0, proved_s=None, note="every question was answered"), fault(800.0, 810.0)],
            "planned_faults": 3,
            "events": PHASES,
            "found": None,
            "history": [],
            "services": ("api", "auth"),
            "operations": (*OPERATIONS, "cache_delete"),
        },
        {"memory_bytes": None},
    ),
}


def results(name: str, folder: Path) -> list[Result]:
    tick, changes, compared = CASES[name]
    fields: dict[str, Any] = {"operations": OPERATIONS, "warm_s": 180.0, "load_end_s": END_S, **changes}
    found = fields.pop("found")
    run = replace(evidence(folder, tick, ticks=TICKS, found=None, **fields), found=found)
    with JournalReader(folder) as journal:
        judged = judge(run, BUDGET, RunSource(journal, run), OBSERVED)
    return [
        *judged,
        *check_trend(earlier_run(20, compared), PAST, slowdown_fraction=0.25),
        *check_trend(earlier_run(20, compared, p95_s=0.3 if name == "fail" else 0.2), EarlierRuns(), PAST.runs[0],
                     slowdown_fraction=0.25),
    ]  # fmt: skip


def text(name: str, found: Sequence[Result]) -> str:
    """Return a run's results a line each, in their order, below its summary."""
    findings, measurements = split(found)
    verdict = merge(finding.verdict for finding in findings)
    decision = Decision(verdict, f"run-{name}", name, 7331, "local", "2026-12-01T00:00:00+00:00", 1500.0, findings)
    lines = [
        f"{each.verdict if isinstance(each, Finding) else 'measured'} {each.check}: {each.message}" for each in found
    ]
    return "\n".join([decision.summary().splitlines()[0], f"{len(measurements)} measurements", "", *lines, ""])


@pytest.mark.parametrize("name", CASES)
def test_messages_are_those_of_the_golden_file(name: str, tmp_path: Path) -> None:
    written, path = text(name, results(name, tmp_path)), GOLDEN / f"{name}.txt"
    if os.environ.get("HW_GOLDEN") == "write":
        path.write_text(written, encoding="utf-8")
    assert written == path.read_text(encoding="utf-8")


def spoken(name: str, word: str) -> set[str]:
    """Return the checks that have a line with that word in a golden file."""
    lines = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return {line.split(" ")[1].removesuffix(":") for line in lines if line.startswith(f"{word} ") and ": " in line}


NEVER_FAILS = {"must_observe", "generator", "operations", "faults"}
# Of these a run that is all unknown decides, or has no evidence at all.
NEVER_UNKNOWN = {"memory_ceiling", "terminal_replies"}
# What a check calls its findings where that is not its own name.
FINDINGS_OF: Mapping[str, str] = {"growth": "memory_growth"}


@pytest.mark.parametrize(
    ("name", "verdict", "but"),
    [
        ("pass", Verdict.PASS, set[str]()),
        ("fail", Verdict.FAIL, NEVER_FAILS),
        ("inconclusive", Verdict.INCONCLUSIVE, NEVER_UNKNOWN),
    ],
)
def test_every_check_speaks(name: str, verdict: Verdict, but: set[str]) -> None:
    names = {FINDINGS_OF.get(check.name, check.name) for check in checks()}
    assert names - spoken(name, verdict) == but
