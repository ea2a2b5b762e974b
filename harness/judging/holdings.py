"""What the system holds before the load and after it, as the probes measured it at those moments."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from harness.judging.evidence import Evidence
from harness.judging.series import Gauge, GaugeName

# A service's own count of what its clients hold.
_SESSIONS = ("runtime", "sessions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Residue:
    """Counts at one moment, None where not known.

    `sessions` are the WebSockets that the service counts; `redis_channels` are Redis' channels with a subscriber,
    `redis_clients` and `redis_keys` its own counts; `postgres_connections` and `postgres_idle_in_transaction` are of
    pg_stat_activity; `descriptors` and `close_wait` are summed over the service's processes.
    """

    sessions: int | None = None
    redis_channels: int | None = None
    redis_clients: int | None = None
    redis_keys: int | None = None
    postgres_connections: int | None = None
    postgres_idle_in_transaction: int | None = None
    descriptors: int | None = None
    close_wait: int | None = None


def residues(evidence: Evidence) -> tuple[Residue, Residue]:
    """Return what there was before the load, and what there was at the end of the run.

    Before is the first sample of each gauge, after the last of each, once half of the grace after the load was over.
    What was not sampled then is not known; sockets by state are sampled too seldom to be compared.
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
