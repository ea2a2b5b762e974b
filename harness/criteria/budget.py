"""The thresholds a run must keep, and where each may be set.

A budget starts from the scenario's own defaults; the target file's `[budget]`
table overrides them key by key, then a profile's, then the environment. A
misspelt threshold would silently not be kept, so unknown keys are refused.
`BUDGETS.md` beside this room is the user's table of all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from harness.criteria.limits import SeriesLimit, limits_schema, read_limits
from harness.tables import (
    ByHand,
    Duration,
    Fraction,
    NonNegative,
    Positive,
    PositiveDuration,
    PositiveSize,
    Size,
    Table,
    read,
)


class Budget(Table):
    """What a run may cost.

    Growth is for each service after warm-up: the leak procedure can prove that
    something grows by less than a budget, never that it does not grow at all, so
    none of these may be 0. What is allowed for each request is always judged; what
    is allowed for each hour, and over the run, only where the load lasted
    `growth_decides_after_s`, and drift where it lasted `drift_decides_after_s`:
    shorter runs cannot see so little.
    """

    error_fraction: Fraction = 0.001
    """Replies that are not good, of all outside faults and their aftermath (99.9 % uptime)."""
    dropped_fraction: Fraction = 0.001
    """Arrivals that found every slot of the load taken, of all arrivals."""
    recovery_s: Duration = 10.0
    """From the verified heal of a fault to the beginning of a lasting steady state: every canary answered, goodput and
    latency back in their band."""
    resources_recovery_s: Duration = 0.0
    """From the steady state after a fault until pools, descriptors and memory are what they were in the minute before
    the fault; 0 asks nothing."""
    latency_s_p95: Duration = 0.5
    """The p95 response time outside faults, in the median tick."""
    slowdown_fraction: Fraction = 0.25
    """How much slower the p95 response time may be after the faults than before them."""
    # What 10 % over a day and 25 % over two come to.
    latency_drift_per_h: Positive = 0.004
    """The fraction by which the p95 response time may rise with every hour (0.4 %: 10 % in a day)."""
    drift_decides_after_s: PositiveDuration = 86400.0
    """How long a load must last before the drift of its response time is judged."""
    cache_hit_fraction: Fraction = 0.9
    """Reads of keys that were written before and were answered, of all such reads; at least so many."""
    gc_efficiency: NonNegative = 0.3
    """Objects that a garbage collection frees at least, in the mean outside faults, where the collector takes a
    hundredth of the time or more; 0 asks nothing."""
    memory_growth_bytes_per_request: PositiveSize = 1024.0
    """Growth of a service's memory with each request."""
    memory_growth_bytes_per_h: PositiveSize = 10e6
    """Growth of a service's memory in an hour."""
    memory_growth_bytes: Size = 50e6
    """Growth of a service's memory from the end of warm-up to the end of the run."""
    second_half_growth_bytes_per_h: PositiveSize = 5e6
    """Growth of a service's memory in an hour, of the second half of the run alone."""
    memory_ceiling_bytes: Size = 450e6
    """The most memory that a service may ever hold."""
    heap_growth_bytes_per_request: PositiveSize = 1024.0
    """Growth with each request of the heap in use, where a service reports it: it shows less than memory hides."""
    heap_growth_bytes_per_h: PositiveSize = 10e6
    """Growth in an hour of the heap in use."""
    # An object for every second request, and 10 MB an hour of objects of 100 bytes.
    blocks_growth_per_request: Positive = 0.5
    """Growth with each request of the blocks that an interpreter holds for its objects, which a C heap does not
    show."""
    blocks_growth_per_h: Positive = 100e3
    """Growth in an hour of the blocks that an interpreter holds for its objects."""
    # One in 200 requests, since a pool that turns over moves by more within a short run than less would come to.
    fds_growth_per_request: Positive = 0.005
    """Growth with each request of a service's descriptors (on Windows, handles)."""
    fds_growth_per_h: Positive = 6.0
    """Growth in an hour of a service's descriptors."""
    count_growth_per_request: Positive = 0.005
    """Growth with each request of threads, tasks, sessions, sockets: all that is counted but descriptors and keys."""
    count_growth_per_h: Positive = 6.0
    """Growth in an hour of threads, tasks, sessions, sockets."""
    # Data is made of keys, so one request in ten may add one: this is for what should expire and does not.
    keys_growth_per_request: Positive = 0.1
    """Growth with each request of the keys in Redis; data is made of them, so this is for what should expire and does
    not."""
    keys_growth_per_h: Positive = 1000.0
    """Growth in an hour of the keys in Redis."""
    # A few lines for each request, and what a disk of 50 GB holds of two days without rotation.
    log_growth_bytes_per_request: PositiveSize = 1024.0
    """What a service writes to its log files with each request, rotated away or not."""
    log_growth_bytes_per_h: PositiveSize = 1e9
    """What a service writes to its log files in an hour."""
    growth_decides_after_s: PositiveDuration = 10800.0
    """How long a load must last before growth in an hour and over the run is judged."""
    series: Annotated[Mapping[str, tuple[SeriesLimit, ...]], ByHand(read_limits, limits_schema)] = {}
    """Limits on series of the journal: one table, a list of them, or `false` for none any more, for each name."""

    def over(self, base: Self) -> Self:
        """Return `base` with the keys that this one gives; limits on a series replace the earlier ones on it."""
        series = {name: limits for name, limits in {**base.series, **self.series}.items() if limits}
        return super().over(base).model_copy(update={"series": series})

    def override(self, source: str, table: Mapping[str, object]) -> Self:
        """Return this budget with the keys of `table` replaced; `source` names the file in errors.

        Raises an ExceptionGroup of an InputError for each rule broken.
        """
        return read(type(self), source, table, where="budget").over(self)

    def growth(self, what: str, unit: str) -> float:
        """Return what is allowed to grow for each `request` or `h`; `what` is the beginning of the budget's keys."""
        return float(getattr(self, f"{what}_per_{unit}"))

    def limits(self, lasted_s: float) -> tuple[SeriesLimit, ...]:
        """Return the limits on series that a run decides whose load lasted so long: a short one, none by the hour."""
        limits = tuple(limit for some in self.series.values() for limit in some)
        if lasted_s >= self.growth_decides_after_s:
            return limits
        return tuple(limit for limit in (each.without_hours() for each in limits) if limit.bound or limit.growth)
