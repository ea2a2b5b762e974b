"""Did the system let go of its clients? What it holds after the load, and after a grace, beside what it held before.

Whoever keeps a session that its client ended grows by every user who ever
came. Each side counts for itself: the clients their sockets, the service its
sessions, Redis its subscriptions, PostgreSQL its connections, the system its
descriptors; what all of them let go of again was no leak.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from harness.verdict import Finding, Verdict

CHECK = "sessions"
# Beyond the idleness after which the reference's pools let go of what a burst opened (10 s), and a sample or two.
GRACE_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Residue:
    """Counts at one moment, None where nobody could tell.

    `sockets` are WebSockets that the load's clients hold open, `sessions` those that the service counts;
    `redis_channels` are Redis' channels with a subscriber, `redis_clients` and `redis_keys` its own counts;
    `postgres_connections` and `postgres_idle_in_transaction` are of pg_stat_activity; `descriptors` and `close_wait`
    are summed over the service's processes.
    """

    sockets: int | None = None
    sessions: int | None = None
    redis_channels: int | None = None
    redis_clients: int | None = None
    redis_keys: int | None = None
    postgres_connections: int | None = None
    postgres_idle_in_transaction: int | None = None
    descriptors: int | None = None
    close_wait: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How many more of each there may be than before the load; None: as many as there like to be.

    Pools may have grown to their limit and stay there, which is no session: the defaults are the reference's (20
    connections to each of PostgreSQL and Redis, 2 of its subscription, 50 to auth). Keys stay by intention. Idle
    connections of a pool that the other side has closed wait for their next use to be noticed.
    """

    sessions: int | None = 0
    redis_channels: int | None = 0
    redis_clients: int | None = 22
    redis_keys: int | None = None
    postgres_connections: int | None = 20
    postgres_idle_in_transaction: int | None = 0
    descriptors: int | None = 92
    close_wait: int | None = 50


def check_sessions(
    before: Residue, after: Residue, *, allowed: Allowance | None = None, grace_s: float = GRACE_S
) -> list[Finding]:
    """Return a finding for each count: what there is `grace_s` seconds after the last client left, beside before.

    INCONCLUSIVE while clients hold sockets open, for a count that was known before and is not any more, and when none
    was known at both times. A count that was never known is not judged.
    """
    if after.sockets:
        observed = f"the clients themselves still hold {after.sockets} sockets open"
        return [Finding(CHECK, Verdict.INCONCLUSIVE, observed, "0 sockets", "load", f"sessions: {observed}")]
    limits = Allowance() if allowed is None else allowed
    findings = []
    for field in fields(Allowance):
        was, more = getattr(before, field.name), getattr(limits, field.name)
        if was is not None and more is not None:
            findings.append(_finding(field.name, was, getattr(after, field.name), more, grace_s))
    if not findings:
        told = "no count was known before the load"
        return [Finding(CHECK, Verdict.INCONCLUSIVE, told, "a count", "stack", f"sessions: {told}")]
    return findings


def _finding(name: str, was: int, left: int | None, more: int, grace_s: float) -> Finding:
    words, allowed = name.replace("_", " "), f"at most {was + more}"
    if left is None:
        verdict, observed = Verdict.INCONCLUSIVE, "not known any more"
    else:
        verdict, observed = (Verdict.PASS if left <= was + more else Verdict.FAIL), str(left)
    message = f"sessions: {words} {grace_s:.0f} s after the last client left: {observed}, {allowed} ({was} before)"
    return Finding(CHECK, verdict, observed, allowed, words, message)
