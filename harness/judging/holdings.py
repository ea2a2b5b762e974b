"""What the system holds before the load and after it, read from what the probes saw at those moments."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable

import numpy as np

from harness.judging.checks.sessions import Residue
from harness.judging.evidence import Evidence
from harness.judging.series import Gauge, GaugeName

# A service's own count of what its clients hold.
_SESSIONS = ("runtime", "sessions")


def residues(evidence: Evidence) -> tuple[Residue, Residue]:
    """Return what there was before the load, and what there was at the end of the run.

    Before is the first look of each gauge, after the last of each, once half of the grace after the load was over.
    What was not seen at such a moment is not known; sockets by state are looked at so seldom that this says nothing.
    """
    before, after = _residue(evidence, _first), _residue(evidence, _last)
    return before if after.close_wait is not None else dataclasses.replace(before, close_wait=None), after


Moment = Callable[[Evidence, Gauge], float]


def _first(_: Evidence, gauge: Gauge) -> float:
    known = gauge.low[~np.isnan(gauge.low)]
    return float(known[0]) if len(known) else math.nan


def _last(evidence: Evidence, gauge: Gauge) -> float:
    late_s = evidence.load_end_s + evidence.grace_s / 2
    after = gauge.last[(evidence.series.t_s > late_s) & ~np.isnan(gauge.last)]
    return float(after[-1]) if len(after) else math.nan


def _residue(evidence: Evidence, moment: Moment) -> Residue:
    gauges = evidence.series.gauges

    def one(kind: str, subject: str, figure: str) -> int | None:
        gauge = gauges.get(GaugeName(kind, subject, figure))
        return _whole([moment(evidence, gauge)] if gauge else [])

    def every(kind: str, figure: str) -> int | None:
        found = [gauge for name, gauge in gauges.items() if (name.kind, name.figure) == (kind, figure)]
        return _whole(moment(evidence, gauge) for gauge in found)

    return Residue(
        sessions=every(*_SESSIONS),
        redis_channels=one("witness", "redis", "channels"),
        redis_clients=one("witness", "redis", "clients"),
        redis_keys=one("witness", "redis", "keys"),
        postgres_connections=one("witness", "postgres", "connections"),
        postgres_idle_in_transaction=one("witness", "postgres", "connections_idle_in_transaction"),
        descriptors=one("process", "api", "fds"),
        close_wait=one("process", "api", "sockets_close_wait"),
    )


def _whole(values: Iterable[float]) -> int | None:
    known = list(values)
    return None if not known or any(math.isnan(value) for value in known) else int(sum(known))
