"""The gauges that may leak: what each counts in, may grow by, and does for no reason.

One row a kind of gauge, looked up by the name of its series. A gauge that no
row names is not judged: what a cache holds may grow until the cache is full,
and virtual memory costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class GaugeKind:
    """A kind of gauge.

    `series` are the names of its series, `*` standing for any text; `wander` is
    the growth that a healthy process shows for reasons a run cannot see, in
    `unit`; `budget` is how the keys of its budgets begin (`harness.criteria.budget`).
    A `pooled` gauge moves with a pool, so that it wanders by the pool's largest
    size at least; one that `rotates` only grows between rotations, which have
    to be taken out first.
    """

    name: str
    series: tuple[str, ...]
    unit: str
    wander: float
    budget: str
    pooled: bool = False
    rotates: bool = False

    def wander_with(self, pool_max: int = 0) -> float:
        """Return the wander beside a pool of at most `pool_max`."""
        return max(self.wander, float(pool_max)) if self.pooled else self.wander


def _counted(name: str, *series: str, budget: str = "count_growth") -> GaugeKind:
    """Return a kind that counts what a pool may hold.

    A budget of 0.005 a request, one in 200, is what 12 500 requests decide
    beside a pool of 20 (`leak.needed`): what leaks with every 50th request is
    four times as much, and a pool that turns over moves by 14 either way, which
    is less than the wander of 20.
    """
    return GaugeKind(name, series, "", 4.0, budget, pooled=True)


GAUGES: Sequence[GaugeKind] = (
    GaugeKind(
        "memory",
        ("process.*.rss_bytes", "process.*.uss_bytes", "container.*.memory_bytes", "witness.redis.memory_bytes"),
        *("B", 4e6, "memory_growth_bytes"),
    ),
    GaugeKind("heap", ("runtime.*.heap_bytes",), "B", 1e6, "heap_growth_bytes"),
    # CPython has arenas of its own for small objects, which the heap leaves out: 10 000 of 100 bytes are its 1 MB.
    GaugeKind("blocks", ("runtime.*.allocated_blocks",), "", 10_000.0, "blocks_growth"),
    _counted("descriptors", "process.*.fds", budget="fds_growth"),
    _counted("threads", "process.*.threads"),
    _counted("tasks", "runtime.*.tasks", "runtime.*.asyncio_tasks"),
    _counted("sockets", "process.*.sockets_*"),
    _counted("processes", "process.*.children", "container.*.pids"),
    _counted("pool size", "runtime.*.pool_*_size"),
    _counted("sessions", "runtime.*.sessions"),
    _counted("connections", "witness.postgres.connections", "witness.redis.clients"),
    GaugeKind("keys", ("witness.redis.keys",), "", 200.0, "keys_growth"),
    GaugeKind("log bytes", ("log.*.bytes",), "B", 1e6, "log_growth_bytes", rotates=True),
)


def kind_of(series: str) -> GaugeKind | None:
    """Return the kind that a series, `KIND.SUBJECT.FIGURE`, is of; None when it is not judged."""
    for kind in GAUGES:
        if any(fnmatchcase(series, name) for name in kind.series):
            return kind
    return None
