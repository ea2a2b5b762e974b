"""When did the services hold again what they held before a fault: pools, descriptors, memory, each by itself?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from harness.judging.series import Floats, Gauge, GaugeName, RunSeries
from harness.stats.gauges import kind_of
from harness.stats.recovery import Recovery, lasting_good, settled

# A few callers wait for a pool's connection at any moment of a busy service's day.
WAITING = 5.0
# What is before a fault is what was then, not hours ago: a cache fills, and that is no fault's doing.
BEFORE_S = 60.0
# What is not back by then is a leak, or stays for good; the checks of growth decide which.
_WATCHED_S = 600.0
# Data and logs are there to grow, and blocks are what the heap holds.
_NO_RESOURCES = frozenset({"keys", "log bytes", "blocks"})
# Of these there can be too few as well: less than half is not what a pool or a crowd of clients was.
_REFILLED = frozenset({"pool size", "sessions", "connections"})
_HALF = 0.5


def resources_back(
    series: RunSeries, before: NDArray[np.bool_], *, healed_s: float, ends_s: float
) -> Mapping[str, Recovery]:
    """Return when each gauge was back within what it was in the ticks `before` the fault, by the series' name.

    It is at most what the leak procedure calls a wander above that. The ticks until `ends_s` count, ten minutes of
    them at most; a gauge without a value before the fault is left out.
    """
    if not before.any():
        return {}
    after = (series.t_s > healed_s) & (series.t_s <= min(ends_s, healed_s + _WATCHED_S))
    looked_at = np.flatnonzero(before | after)
    # Of two days a fault concerns a few minutes.
    part = slice(looked_at[0], looked_at[-1] + 1)
    end_s = (series.t_s[after] - healed_s).tolist()
    return {
        str(name): lasting_good(back[after[part]].tolist(), end_s)
        for name, back in _resources(series.gauges, part, before[part])
    }


def is_waiting(name: GaugeName) -> bool:
    """Return whether a gauge counts the callers that wait for a pool's connection."""
    return name.kind == "runtime" and name.figure.endswith("_waiting")


def held(values: Floats) -> Floats:
    """Return a gauge with its last value held where it was not sampled; NaN before the first."""
    known = np.flatnonzero(~np.isnan(values))
    last = np.searchsorted(known, np.arange(len(values)), side="right") - 1
    result = np.full(len(values), np.nan)
    result[last >= 0] = values[known[last[last >= 0]]]
    return result


def _resources(
    gauges: Mapping[GaugeName, Gauge], part: slice, before: NDArray[np.bool_]
) -> Iterator[tuple[GaugeName, NDArray[np.bool_]]]:
    for name, gauge in gauges.items():
        kind = kind_of(str(name))
        if not is_waiting(name) and (kind is None or kind.name in _NO_RESOURCES):
            continue
        high = held(gauge.high[part])
        if not np.isfinite(high[before]).any():
            continue
        slack = WAITING if kind is None else kind.wander
        back = settled(high, before, slack=slack, share=0.0)
        if kind is not None and kind.name in _REFILLED:
            back &= settled(-held(gauge.low[part]), before, slack=slack, share=_HALF)
        yield name, back
