"""Did the system release what its clients held? Counts after the load and a grace, beside those before it.

A service that keeps the sessions its clients ended grows with every user. Each
side counts for itself: the service its sessions, Redis its subscriptions,
PostgreSQL its connections, the system its descriptors; what all of them
released was no leak.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from harness.judging.holdings import Residue, residues
from harness.judging.registry import Check, register
from harness.verdict import Finding, Verdict

CHECK = "sessions"
# Beyond the idleness after which the reference's pools close what a burst opened (10 s), and a sample or two.
GRACE_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How many more of each there may be than before the load; None: any number.

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
    """Return a finding for each count: what there is `grace_s` seconds after the load ended, beside before.

    INCONCLUSIVE for a count that was known before and is not any more, and when none
    was known at both times. A count that was never known is not judged.
    """
    limits = Allowance() if allowed is None else allowed
    findings = []
    for field in fields(Allowance):
        was, more = getattr(before, field.name), getattr(limits, field.name)
        if was is not None and more is not None:
            findings.append(_finding(field.name, was, getattr(after, field.name), more, grace_s))
    if not findings:
        observed = "undecided (no count was known before the load)"
        return [Finding(CHECK, Verdict.INCONCLUSIVE, observed, "a count", "stack", f"leftover sessions: {observed}")]
    return findings


def _finding(name: str, was: int, left: int | None, more: int, grace_s: float) -> Finding:
    where = name.replace("_", " ")
    if left is None:
        verdict, observed = Verdict.INCONCLUSIVE, "undecided (not measured after the load)"
    else:
        verdict, observed = (Verdict.PASS if left <= was + more else Verdict.FAIL), str(left)
    figures: dict[str, float | str] = {"before": was, "allowed": was + more, "grace_s": grace_s}
    return Finding.about(
        f"leftover {where}",
        check=CHECK,
        verdict=verdict,
        where=where,
        observed=observed,
        allowed=str(was + more),
        limit=f"{was + more} ({was} before load + {more}), {grace_s:.0f} s after the load ended",
        figures=figures | ({} if left is None else {"observed": left}),
    )


register(
    Check(
        CHECK,
        170,
        lambda case: check_sessions(*residues(case.evidence), grace_s=case.evidence.grace_s),
        applies=lambda case: case.evidence.settle is not None,
    )
)
