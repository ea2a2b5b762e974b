"""Is every acknowledged write still there? The set check of a final read.

A write that was acknowledged must be found; one that timed out, was reset or
answered with an error may be found or not, for the work may have been done;
one that nobody attempted must not be found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from harness.records import Outcome, Sample
from harness.verdict import Finding, Verdict

CHECK = "acknowledged_writes"
_SHOWN = 5


def check_acknowledged(writes: Iterable[Sample], found: Collection[str] | None) -> list[Finding]:
    """Return one finding from the history of writes and the keys that the final read found, None if it never came.

    Without a final read, or one acknowledged write, there is nothing to judge: INCONCLUSIVE.
    """
    if found is None:
        told = "acknowledged writes: the final read never came"
        return [Finding(CHECK, Verdict.INCONCLUSIVE, "no final read", "0 lost, 0 unexpected", "ledger", told)]
    attempted: set[str] = set()
    acknowledged: set[str] = set()
    for write in writes:
        attempted.add(write.key)
        if write.outcome is Outcome.OK:
            acknowledged.add(write.key)
    stored = set(found)
    lost, unexpected = sorted(acknowledged - stored), sorted(stored - attempted)
    recovered = len((stored & attempted) - acknowledged)
    observed = f"{len(lost)} lost, {len(unexpected)} unexpected of {len(acknowledged)} acknowledged"
    if lost or unexpected:
        verdict, told = Verdict.FAIL, f"{observed}: {_some('lost', lost)}{_some('unexpected', unexpected)}".rstrip(" ;")
    elif not acknowledged:
        verdict, told = Verdict.INCONCLUSIVE, "no write was acknowledged, so none could be lost"
    else:
        verdict = Verdict.PASS
        told = f"all {len(acknowledged)} acknowledged writes found; {recovered} unacknowledged ones were done as well"
    return [Finding(CHECK, verdict, observed, "0 lost, 0 unexpected", "ledger", f"acknowledged writes: {told}")]


def _some(name: str, keys: list[str]) -> str:
    if not keys:
        return ""
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return f"{name} {', '.join(keys[:_SHOWN])}{more}; "
