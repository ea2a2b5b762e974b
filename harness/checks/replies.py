"""Is every reply about what was asked? A reply for another key belongs to somebody else.

A connection whose request was cancelled and reused answers one request with
the reply to another; the value then names a key that nobody asked for here.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.budget import Budget
from harness.records import Outcome, Sample
from harness.verdict import Finding, Verdict

CHECK = "reply_keys"


def check_reply_keys(history: Iterable[Sample]) -> list[Finding]:
    """Return one finding from everything that was asked with a key, at whatever moment of the run.

    A reply for another key, or one that says done and does not hold what it must, is wrong however seldom; no
    fault excuses it. A miss carries no key and is not judged here. Without one judged reply: INCONCLUSIVE.
    """
    judged = foreign = 0
    example = ""
    for sample in history:
        wrong = sample.outcome is Outcome.WRONG_REPLY or sample.answer not in {"", sample.key}
        judged += wrong or bool(sample.answer)
        if wrong:
            foreign += 1
            got = sample.answer or "no key"
            example = example or f"first at {sample.done_s:.1f} s: {sample.operation} of {sample.key} got {got}"
    observed = f"{foreign} of {judged} replies were for another key"
    if foreign:
        verdict, told = Verdict.FAIL, f"{observed}; {example}"
    elif not judged:
        verdict, told = Verdict.INCONCLUSIVE, "nothing was answered with a key"
    else:
        verdict, told = Verdict.PASS, f"all {judged} replies were for the key that was asked for"
    return [Finding(CHECK, verdict, observed, "0 foreign replies", "replies", f"reply keys: {told}")]


def check_cache_hits(history: Iterable[Sample], budget: Budget) -> list[Finding]:
    """Return whether the cache still had what was put into it: hits among the reads of keys acknowledged before."""
    kept: set[str] = set()
    hits = misses = 0
    for sample in history:
        if sample.outcome is not Outcome.OK:
            continue
        if sample.operation == "cache_put":
            kept.add(sample.key)
        elif sample.operation == "cache_get" and sample.key in kept:
            hits, misses = hits + bool(sample.answer), misses + (not sample.answer)
    allowed = f"at least {budget.cache_hit_fraction:.0%}"
    if not hits + misses:
        told = "no key was read after it was put"
        return [Finding("cache_hits", Verdict.INCONCLUSIVE, told, allowed, "cache", f"cache hits: {told}")]
    share = hits / (hits + misses)
    verdict = Verdict.PASS if share >= budget.cache_hit_fraction else Verdict.FAIL
    observed = f"{hits} of {hits + misses} ({share:.1%})"
    message = f"cache hits: {observed} of the reads of keys put before, {allowed}"
    return [Finding("cache_hits", verdict, observed, allowed, "cache", message)]
