"""Is every reply about what was asked? A reply for another key belongs to somebody else.

A connection whose request was cancelled and reused answers one request with
the reply to another; the value then names a key that nobody asked for here.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.records import Sample
from harness.verdict import Finding, Verdict

CHECK = "reply_keys"


def check_reply_keys(reads: Iterable[Sample]) -> list[Finding]:
    """Return one finding from the history of reads; a miss carries no key and is not judged.

    Without one judged reply: INCONCLUSIVE.
    """
    judged = foreign = 0
    example = ""
    for read in reads:
        if not read.answer:
            continue
        judged += 1
        if read.answer != read.key:
            foreign += 1
            example = example or f"first at {read.done_s:.1f} s: asked for {read.key}, got {read.answer}"
    observed = f"{foreign} of {judged} replies carried another key"
    if foreign:
        verdict, told = Verdict.FAIL, f"{observed}; {example}"
    elif not judged:
        verdict, told = Verdict.INCONCLUSIVE, "no read was answered with a value"
    else:
        verdict, told = Verdict.PASS, f"all {judged} replies carried the key that was asked for"
    return [Finding(CHECK, verdict, observed, "0 foreign replies", "cache", f"reply keys: {told}")]
