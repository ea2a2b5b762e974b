"""Small synthetic runs: a journal written tick by tick, and the evidence that is read from it."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.criteria.budget import Budget
from harness.history.history import History
from harness.history.keys import KeySet
from harness.history.ledger_read import LedgerRead
from harness.journal import Journal, JournalReader
from harness.judging.evidence import Evidence
from harness.judging.judge import judge
from harness.judging.series import RunSeries
from harness.judging.source import RunSource
from harness.records import Event, FaultWindow, Outcome, Sample
from harness.verdict import Result

TICKS = 120
WARM_S = 20.0
OPERATIONS = ("ledger_write", "cache_get")
PER_TICK = 100  # requests of each operation
Tick = Callable[[int], Mapping[str, float]]


def healthy(n: int) -> dict[str, float]:
    """Return what tick `n`, the second that ends at n + 1, shows of a run in which all is well."""
    wander_bytes = np.random.default_rng(n).normal(0, 1e5)
    return {
        **{f"load.{operation}.ok": PER_TICK for operation in OPERATIONS},
        "load.all.offered": PER_TICK * len(OPERATIONS),
        "load.all.response_s_p95": 0.010 + 0.001 * (n % 3),
        "generator.lag_s_p95": 0.001,
        "generator.rss_bytes": 9e7,
        "process.api.rss_bytes": 8e7 + wander_bytes,
        "process.api.cpu_s": n * 0.2,
        "process.api.children": 0,
    }


def but(during: Callable[[int], bool], **changes: float) -> Tick:
    """Return the healthy run with some figures changed in the ticks chosen; `__` in a name stands for a dot."""
    replaced = {name.replace("__", "."): value for name, value in changes.items()}
    return lambda n: {**healthy(n), **(replaced if during(n) else {})}


def always(_: int) -> bool:
    return True


def fault(injected_s: float, healed_s: float | None, **changes: Any) -> FaultWindow:
    """Return a fault that was proved one second in and took one second to heal."""
    healing_s = None if healed_s is None else healed_s - 1
    fields: dict[str, Any] = {"proved_s": injected_s + 1, "healing_s": healing_s, "healed_s": healed_s, "note": ""}
    return FaultWindow("down", "api_redis", injected_s, **(fields | changes))


def canary(
    healed_s: float, first_success_s: float | None, lasting_s: float | None, *, last_bad_s: float = 0.0, **changes: Any
) -> Event:
    """Return what a canary told of the fault that was healed then; it took one look in 20 ms."""
    detail = dict[str, object](step="seen", fault="down", target="api_redis", healed_s=healed_s, observed_s=30.0)
    detail |= {"first_success_s": first_success_s, "first_success_bad_s": 0.0 if first_success_s else last_bad_s}
    detail |= {"lasting_s": lasting_s, "lasting_bad_s": last_bad_s, "unseen_s": 0.0, "gap_s": 0.02}
    detail |= {"looks": 1500, "failed": 1, "left_out": 0, "interrupted": True, "amid": []}
    return Event(healed_s + 4, "canary", detail | changes)


def write_run(folder: Path, tick: Tick, ticks: int, events: Iterable[Event] = ()) -> RunSeries:
    """Write a run of one-second ticks and read it back."""
    folder.mkdir(parents=True, exist_ok=True)
    with Journal(folder) as journal:
        for n in range(ticks):
            journal.write_tick(n + 1.0, tick(n), [e for e in events if n < e.t_s <= n + 1])
    with JournalReader(folder) as reader:
        return RunSeries.read(reader)


def history(writes: int = 50, reads: int = 50) -> list[Sample]:
    """Return samples as checks read them: every write acknowledged, every read of what was put answered."""
    written = [Sample("ledger_write", Outcome.OK, n, n, n + 0.01, f"r-{n}", f"r-{n}") for n in range(writes)]
    written += [Sample("cache_put", Outcome.OK, 0, 0, 0.01, f"key-{n}", wrote=n, writer="r") for n in range(reads)]
    return written + [
        Sample("cache_get", Outcome.OK, n, n, n + 0.01, f"key-{n}", f"key-{n}", read=n, writer="r")
        for n in range(1, reads)
    ]


def evidence(folder: Path, tick: Tick = healthy, *, ticks: int = TICKS, **changes: Any) -> Evidence:
    """Return the evidence of a run that is healthy but for `tick` and the fields changed."""
    events = changes.get("events", ())
    fields: dict[str, Any] = {
        "series": write_run(folder, tick, ticks, events),
        "events": events,
        "history": history(),
        "faults": (),
        "operations": OPERATIONS,
        "services": ("api",),
        "found": [f"r-{n}" for n in range(50)],
        "warm_s": WARM_S,
        "load_end_s": float(ticks),
        "seed": 7331,
    } | changes
    fields["history"] = History(fields["history"])
    if fields["found"] is not None:
        fields["found"] = LedgerRead(KeySet(fields["found"]))
    return Evidence(**({"planned_faults": len(fields["faults"])} | fields))


def judged(folder: Path, run: Evidence, budget: Budget | None = None) -> list[Result]:
    """Return what every check decides and measures of a run whose journal is in `folder`."""
    with JournalReader(folder) as journal:
        return judge(run, budget or Budget(), RunSource(journal, run))
