"""The table of gauges: which series is of which kind, and that its budgets can be decided."""

import numpy as np
import pytest
from numpy.random import default_rng

from harness.criteria.budget import Budget
from harness.stats.gauges import GAUGES, GaugeKind, kind_of
from harness.stats.leak import decide_leak, needed
from harness.verdict import Verdict

POOL_MAX = 20
REQUESTS = 20_000


@pytest.mark.parametrize(
    ("series", "name"),
    [
        ("process.api.rss_bytes", "memory"),
        ("process.api.uss_bytes", "memory"),
        ("container.redis.memory_bytes", "memory"),
        ("witness.redis.memory_bytes", "memory"),
        ("runtime.api.heap_bytes", "heap"),
        ("process.api.fds", "descriptors"),
        ("process.api.threads", "threads"),
        ("runtime.api.tasks", "tasks"),
        ("runtime.api.asyncio_tasks", "tasks"),
        ("process.api.sockets_close_wait", "sockets"),
        ("process.api.children", "processes"),
        ("container.api.pids", "processes"),
        ("runtime.api.pool_postgres_size", "pool size"),
        ("runtime.api.sessions", "sessions"),
        ("witness.postgres.connections", "connections"),
        ("witness.redis.clients", "connections"),
        ("witness.redis.keys", "keys"),
        ("log.api.bytes", "log bytes"),
    ],
)
def test_a_series_has_its_kind(series: str, name: str) -> None:
    kind = kind_of(series)
    assert kind is not None
    assert kind.name == name


@pytest.mark.parametrize(
    "series",
    [
        "process.api.vms_bytes",
        "process.api.cpu_s",
        "runtime.api.cache_bytes",
        "runtime.api.pool_postgres_idle",
        "witness.postgres.connections_idle",
        "load.all.offered",
        "generator.rss_bytes",
        "",
    ],
)
def test_what_may_grow_or_is_no_gauge_is_not_judged(series: str) -> None:
    assert kind_of(series) is None


@pytest.mark.parametrize("kind", GAUGES, ids=lambda kind: kind.name)
def test_every_budget_can_be_decided_in_a_run_that_people_make(kind: GaugeKind) -> None:
    budget = Budget()
    assert needed(budget.growth(kind.budget, "request"), kind.wander_with(POOL_MAX)) <= 65_000
    assert needed(budget.growth(kind.budget, "h"), kind.wander_with(POOL_MAX)) <= 12


def test_the_facts_wander_and_budgets() -> None:
    memory, heap, fds = (kind_of(f"process.x.{f}") for f in ("rss_bytes", "threads", "fds"))
    heap = kind_of("runtime.x.heap_bytes")
    assert memory is not None
    assert heap is not None
    assert fds is not None
    assert (memory.wander_with(POOL_MAX), memory.budget) == (4e6, "memory_growth_bytes")
    assert heap.wander_with() == 1e6
    assert (fds.wander_with(), fds.wander_with(2), fds.wander_with(POOL_MAX)) == (4, 4, 20)


def descriptors(seed: int, leak: float) -> Verdict:
    """Return the verdict on a pool whose descriptors move by 14 either way, over 20 000 requests in 100 samples."""
    rng = default_rng(seed)
    x = np.cumsum(rng.poisson(REQUESTS / 100, 100)).astype(np.float64)
    moved = np.repeat(rng.integers(-14, 15, 100), rng.integers(1, 30, 100))[:100]
    kind = kind_of("process.api.fds")
    assert kind is not None
    y = 60.0 + moved + np.floor(leak * x)
    return decide_leak(
        x,
        np.asarray(y, dtype=np.float64),
        budget=Budget().growth(kind.budget, "request"),
        wander=kind.wander_with(POOL_MAX),
    ).verdict


def test_a_descriptor_of_every_fiftieth_request_is_a_leak() -> None:
    decided = [descriptors(seed, 1 / 50) for seed in range(200)]
    assert decided.count(Verdict.FAIL) >= 198
    assert decided.count(Verdict.PASS) == 0


def test_a_pool_that_turns_over_is_none() -> None:
    decided = [descriptors(seed, 0.0) for seed in range(200)]
    assert decided.count(Verdict.FAIL) <= 1
    # Turned over as slowly as a third of the run, it cannot always be told.
    assert decided.count(Verdict.PASS) >= 160
