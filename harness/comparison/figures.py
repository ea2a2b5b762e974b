"""A run in a few figures, for later runs to be compared with: what its calm was like, and how it recovered."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from harness.comparison.earlier_runs import CalmWindow
from harness.journal import JournalReader
from harness.judging.evidence import Evidence
from harness.judging.series import mean_on_ticks
from harness.records import UNASKED, Outcome
from harness.stats.degradation import Windows, merge_ticks, window_width_s
from harness.stats.leak import Leak

Floats = NDArray[np.float64]

# Of a run of two days as many windows are kept, each as much wider.
_WINDOWS_MAX = 240
_QUANTILES = ("p50", "p95", "p99")
# By service, as NAME.SERVICE, and of all services together.
_CPU, _MEMORY = "cpu_s_per_request", "memory_bytes"


def read_latency(journal: JournalReader, t_s: Floats) -> dict[str, Floats]:
    """Return the p50, p95 and p99 of all response times on the run's ticks, in seconds, NaN in one without a reply."""
    return {name: mean_on_ticks(journal, f"load.all.response_s_{name}", t_s) for name in _QUANTILES}


def measure(evidence: Evidence, latency_s: Mapping[str, Floats], leaks: Mapping[str, Leak]) -> dict[str, float]:
    """Return a run's figures in SI units by name, none for what was not measured.

    `latency_s` is what `read_latency` returns, `leaks` the decided gauges by name. A recovery not observed
    to its end has `recovery_censored.FAULT` 1 and as `recovery_s.FAULT` the least it took; of a fault that was injected
    several times the longest counts.
    """
    calm = evidence.calm
    figures = {}
    for name, values in latency_s.items():
        seen = values[calm & np.isfinite(values)]
        if len(seen):
            figures[f"latency_s_{name}"] = float(np.median(seen))
    figures |= _load(evidence, calm) | _recoveries(evidence)
    for service in sorted(evidence.services):
        figures |= _service(evidence, service, calm)
    for whole in (_CPU, _MEMORY):
        parts = [value for name, value in figures.items() if name.startswith(f"{whole}.")]
        # A sum without one of its parts is another figure.
        if parts and len(parts) == len(evidence.services):
            figures[whole] = sum(parts)
    for name, leak in leaks.items():
        if math.isfinite(leak.slope) and math.isfinite(leak.half_width):
            figures |= {f"leak.{name}.slope": leak.slope, f"leak.{name}.half_width": leak.half_width}
    return figures


def calm_windows(evidence: Evidence) -> tuple[CalmWindow, ...]:
    """Return the p95 of the calm of a run by window, `_WINDOWS_MAX` of them at most."""
    series, calm = evidence.series, evidence.calm
    lasted_s, replies = _lasted_s(evidence), series.count()
    calm_s = float(lasted_s[calm].sum())
    if not calm_s:
        return ()
    tick_s, rate_per_s = float(np.median(lasted_s[calm])), float(replies[calm].sum()) / calm_s
    width_s = window_width_s(calm_s, calm_s, rate_per_s=rate_per_s, tick_s=tick_s, quantile=0.95)
    width_s = max(width_s, math.ceil(calm_s / _WINDOWS_MAX / tick_s) * tick_s)
    merged = merge_ticks(series.t_s, np.where(calm, series.latency_s, np.nan), replies, width_s=width_s)
    return tuple(
        CalmWindow(*row) for row in np.column_stack([merged.end_s, merged.quantile_s, merged.requests]).tolist()
    )


def as_windows(windows: tuple[CalmWindow, ...]) -> Windows:
    """Return kept windows as they are compared."""
    table = np.array(windows, dtype=np.float64).reshape(len(windows), 3)
    return Windows(table[:, 0], table[:, 1], table[:, 2])


def _lasted_s(evidence: Evidence) -> Floats:
    return np.diff(evidence.series.t_s, prepend=0.0)


def _load(evidence: Evidence, calm: NDArray[np.bool_]) -> dict[str, float]:
    series, calm_s = evidence.series, float(_lasted_s(evidence)[calm].sum())
    unasked = sum(series.count(Outcome.OK, operation=operation) for operation in UNASKED)
    good, replies = series.count(Outcome.OK) - unasked, series.count() - unasked
    if not calm_s or not replies[calm].any():
        return {}
    answered, well = float(replies[calm].sum()), float(good[calm].sum())
    return {"throughput_per_s": well / calm_s, "error_fraction": 1 - well / answered}


def _recoveries(evidence: Evidence) -> dict[str, float]:
    figures: dict[str, float] = {}
    for fault, seen in evidence.recoveries.items():
        took_s = seen.last_bad_s if seen.recovery_s is None else seen.recovery_s
        name, censored = f"recovery_s.{fault.name}", f"recovery_censored.{fault.name}"
        figures[name] = max(took_s, figures.get(name, 0.0))
        figures[censored] = max(float(seen.recovery_s is None), figures.get(censored, 0.0))
    return figures


def _service(evidence: Evidence, service: str, calm: NDArray[np.bool_]) -> dict[str, float]:
    """Return what a service held, and the CPU time it took for each request."""
    series, figures = evidence.series, {}
    if service in series.memory:
        held = series.memory[service].last[calm]
        if np.isfinite(held).any():
            figures[f"{_MEMORY}.{service}"] = float(np.nanmedian(held))
    for name, gauge in series.gauges.items():
        if (name.subject, name.figure) == (service, "cpu_s"):
            spent_s = np.diff(gauge.last, prepend=np.nan)
            # A restarted process counts from zero again.
            counted = calm & (spent_s >= 0)
            requests = float(series.sent()[counted].sum())
            if requests:
                figures[f"{_CPU}.{service}"] = float(spent_s[counted].sum()) / requests
    return figures
