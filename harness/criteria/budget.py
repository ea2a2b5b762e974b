"""The thresholds a run must keep, and where each may be set.

A budget starts from the scenario's own defaults; the target file's `[budget]`
table overrides them key by key, then a profile's, then the environment. A
misspelt threshold would silently not be kept, so unknown keys are refused.
`BUDGETS.md` beside this file is the user's table of all of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from harness.criteria.limit_table import override_limits
from harness.criteria.limits import SeriesLimit
from harness.criteria.overrides import Parser, above_zero, parse_fraction, parse_from_zero, parse_lasting_s, parse_table
from harness.units import parse_duration_s, parse_size_bytes

_SERIES = "series"
# The leak procedure can prove that something grows by less than a budget, never that it does not grow at all.
_growing, _growing_bytes = above_zero(parse_from_zero), above_zero(parse_size_bytes)
_PARSERS: Mapping[str, Parser] = {
    "error_fraction": parse_fraction,
    "dropped_fraction": parse_fraction,
    "recovery_s": parse_duration_s,
    "resources_recovery_s": parse_duration_s,
    "latency_s_p95": parse_duration_s,
    "slowdown_fraction": parse_fraction,
    "latency_drift_per_h": _growing,
    "drift_decides_after_s": parse_lasting_s,
    "cache_hit_fraction": parse_fraction,
    "gc_efficiency": parse_from_zero,
    "memory_growth_bytes_per_request": _growing_bytes,
    "memory_growth_bytes_per_h": _growing_bytes,
    "memory_growth_bytes": parse_size_bytes,
    "second_half_growth_bytes_per_h": _growing_bytes,
    "memory_ceiling_bytes": parse_size_bytes,
    "heap_growth_bytes_per_request": _growing_bytes,
    "heap_growth_bytes_per_h": _growing_bytes,
    "blocks_growth_per_request": _growing,
    "blocks_growth_per_h": _growing,
    "fds_growth_per_request": _growing,
    "fds_growth_per_h": _growing,
    "count_growth_per_request": _growing,
    "count_growth_per_h": _growing,
    "keys_growth_per_request": _growing,
    "keys_growth_per_h": _growing,
    "log_growth_bytes_per_request": _growing_bytes,
    "log_growth_bytes_per_h": _growing_bytes,
    "growth_decides_after_s": parse_lasting_s,
}


# What the `[budget]` table may have.
BUDGET_KEYS = (*_PARSERS, _SERIES)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may cost.

    `error_fraction` is of the replies outside fault windows and their
    recoveries (99.9 % uptime); `dropped_fraction` is of all arrivals, that the
    load's in-flight cap turned away; `recovery_s` is from each verified heal,
    and `resources_recovery_s` from there until pools, descriptors and memory are back (0 asks nothing);
    `latency_s_p95` is the p95 response time outside faults, in the median tick,
    `slowdown_fraction` how much that may rise from before the faults to after them,
    and `latency_drift_per_h` the fraction by which it may rise with every hour;
    `cache_hit_fraction` is of the reads of keys that were written before;
    `gc_efficiency` is the least number of objects that a garbage collection frees.

    Growth is for each service after warm-up. `memory_growth_bytes` is over the whole
    run, `second_half_growth_bytes_per_h` from its middle on, `memory_ceiling_bytes`
    the most a service may ever hold; `count_...` is of threads, tasks, sessions,
    sockets and what else is counted. What is allowed for each request is always
    judged; what is allowed for each hour, and over the run, only where the load
    lasted `growth_decides_after_s`, and drift where it lasted `drift_decides_after_s`:
    shorter runs cannot see so little.

    `series` are limits on series of the journal, whatever they tell of.
    """

    error_fraction: float = 0.001
    dropped_fraction: float = 0.001
    recovery_s: float = 10.0
    resources_recovery_s: float = 0.0
    latency_s_p95: float = 0.5
    slowdown_fraction: float = 0.25
    # What 10 % over a day and 25 % over two come to.
    latency_drift_per_h: float = 0.004
    drift_decides_after_s: float = 86400.0
    cache_hit_fraction: float = 0.9
    gc_efficiency: float = 0.3
    memory_growth_bytes_per_request: float = 1024.0
    memory_growth_bytes_per_h: float = 10e6
    memory_growth_bytes: float = 50e6
    second_half_growth_bytes_per_h: float = 5e6
    memory_ceiling_bytes: float = 450e6
    heap_growth_bytes_per_request: float = 1024.0
    heap_growth_bytes_per_h: float = 10e6
    # An object for every second request, and 10 MB an hour of objects of 100 bytes.
    blocks_growth_per_request: float = 0.5
    blocks_growth_per_h: float = 100e3
    # One in 200 requests, since a pool that turns over moves by more within a short run than less would come to.
    fds_growth_per_request: float = 0.005
    fds_growth_per_h: float = 6.0
    count_growth_per_request: float = 0.005
    count_growth_per_h: float = 6.0
    # Data is made of keys, so one request in ten may add one: this is for what should expire and does not.
    keys_growth_per_request: float = 0.1
    keys_growth_per_h: float = 1000.0
    # A few lines for each request, and what a disk of 50 GB holds of two days without rotation.
    log_growth_bytes_per_request: float = 1024.0
    log_growth_bytes_per_h: float = 1e9
    growth_decides_after_s: float = 10800.0
    series: tuple[SeriesLimit, ...] = ()

    def override(self, source: str, table: Mapping[str, object]) -> Budget:
        """Return this budget with the keys of `table` replaced; `source` names the file in errors.

        A limit replaces the one on the same series as a whole. Raises an
        ExceptionGroup of every InputError in the table.
        """
        errors: list[Exception] = []
        values: dict[str, float] = {}
        try:
            values = parse_table(source, "budget", table, _PARSERS, elsewhere=(_SERIES,))
        except ExceptionGroup as group:
            errors += group.exceptions
        limits, amiss = override_limits(self.series, source, table.get(_SERIES, {}))
        errors += amiss
        if errors:
            raise ExceptionGroup(f"{source}: [budget] breaks {len(errors)} rule(s)", errors)
        return dataclasses.replace(self, series=limits, **values)

    def growth(self, what: str, unit: str) -> float:
        """Return what is allowed to grow for each `request` or `h`; `what` is the beginning of the budget's keys."""
        return float(getattr(self, f"{what}_per_{unit}"))

    def limits(self, lasted_s: float) -> tuple[SeriesLimit, ...]:
        """Return the limits on series that a run decides whose load lasted so long: a short one, none by the hour."""
        if lasted_s >= self.growth_decides_after_s:
            return self.series
        return tuple(limit for limit in (each.without_hours() for each in self.series) if limit.bound or limit.growth)
