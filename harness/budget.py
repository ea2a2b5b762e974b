"""The thresholds a run must keep, and where each may be set.

A budget starts from the scenario's own defaults; the target file's `[budget]`
table overrides them key by key. A misspelt threshold would silently not be
kept, so unknown keys are refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from harness.overrides import Parser, parse_fraction, parse_table
from harness.units import parse_duration_s, parse_size_bytes

_PARSERS: Mapping[str, Parser] = {
    "error_fraction": parse_fraction,
    "dropped_fraction": parse_fraction,
    "recovery_s": parse_duration_s,
    "latency_s_p95": parse_duration_s,
    "slowdown_fraction": parse_fraction,
    "cache_hit_fraction": parse_fraction,
    "memory_growth_bytes_per_request": parse_size_bytes,
    "memory_ceiling_bytes": parse_size_bytes,
}


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may cost.

    `error_fraction` is of the replies outside fault windows and their
    recoveries (99.9 % uptime); `dropped_fraction` is of all arrivals, that the
    load's in-flight cap turned away; `recovery_s` is from each verified heal;
    `latency_s_p95` is the p95 response time outside faults, in the median tick, and
    `slowdown_fraction` how much that may rise from before the faults to after them;
    `cache_hit_fraction` is of the reads of keys that were written before;
    `memory_growth_bytes_per_request` is for each service after warm-up, and
    `memory_ceiling_bytes` the most it may ever hold.
    """

    error_fraction: float = 0.001
    dropped_fraction: float = 0.001
    recovery_s: float = 10.0
    latency_s_p95: float = 0.5
    slowdown_fraction: float = 0.25
    cache_hit_fraction: float = 0.9
    memory_growth_bytes_per_request: float = 1024.0
    memory_ceiling_bytes: float = 450e6

    def override(self, source: str, table: Mapping[str, object]) -> Budget:
        """Return this budget with the keys of `table` replaced; `source` names the file in errors.

        Raises an ExceptionGroup of every InputError in the table.
        """
        return dataclasses.replace(self, **parse_table(source, "budget", table, _PARSERS))
