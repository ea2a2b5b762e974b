"""Is every reply about what was asked, and does the cache keep what is put into it?

A connection whose request was cancelled and reused answers one request with
the reply to another; the value then names another key than was asked for.
Both checks keep counts, one example, and at most KEPT_MAX keys.
"""

from __future__ import annotations

import math

from harness.criteria.budget import Budget
from harness.records import Outcome, Sample
from harness.verdict import Finding, Verdict

CHECK = "reply_keys"
# Keys known to be in the cache; beyond these no further key's misses are counted.
KEPT_MAX = 100_000


class ReplyKeys:
    """What replies said they were about, folded into counts.

    A reply for another key, or one that says done and does not hold what it must, is wrong however seldom; no
    fault excuses it. A miss carries no key and is not judged here.
    """

    __slots__ = ("example", "foreign", "judged")

    def __init__(self) -> None:
        self.judged = 0
        self.foreign = 0
        self.example = ""

    def see(self, sample: Sample) -> None:
        """Fold in one request that was made with a key."""
        wrong = sample.outcome is Outcome.WRONG_REPLY or sample.answer not in ("", sample.key)
        if not wrong:
            self.judged += sample.answer != ""
            return
        self.judged += 1
        self.foreign += 1
        got = sample.answer or "no key"
        self.example = self.example or f"first at {sample.done_s:.1f} s: {sample.operation} of {sample.key} got {got}"

    def findings(self) -> list[Finding]:
        """Return one finding; INCONCLUSIVE without one judged reply."""
        verdict = Verdict.FAIL if self.foreign else Verdict.PASS if self.judged else Verdict.INCONCLUSIVE
        return [
            Finding.about(
                "replies for another key",
                check=CHECK,
                verdict=verdict,
                where="replies",
                observed=f"{self.foreign} of {self.judged}" if self.judged else "undecided (0 replies with a key)",
                allowed="0",
                notes=[self.example],
                figures={"observed": self.foreign, "allowed": 0, "judged": self.judged},
            )
        ]


class CacheHits:
    """Reads of keys whose put was acknowledged before, folded into hits and misses."""

    __slots__ = ("_kept", "hits", "misses")

    def __init__(self) -> None:
        self._kept: set[str] = set()
        self.hits = 0
        self.misses = 0

    def see(self, sample: Sample) -> None:
        """Fold in one request to the cache."""
        if sample.outcome is not Outcome.OK:
            return
        if sample.operation == "cache_put":
            if len(self._kept) < KEPT_MAX:
                self._kept.add(sample.key)
        elif sample.operation == "cache_get" and sample.key in self._kept:
            if sample.answer:
                self.hits += 1
            else:
                self.misses += 1

    def findings(self, budget: Budget) -> list[Finding]:
        """Return whether the cache still had what was put into it."""
        reads = self.hits + self.misses
        share = self.hits / reads if reads else math.nan
        verdict = Verdict.PASS if share >= budget.cache_hit_fraction else Verdict.FAIL
        return [
            Finding.about(
                "cache hits for keys put before",
                check="cache_hits",
                verdict=verdict if reads else Verdict.INCONCLUSIVE,
                where="cache",
                observed=f"{self.hits} of {reads} ({share:.1%})" if reads else "undecided (0 reads of keys put before)",
                allowed=f"at least {budget.cache_hit_fraction:.0%}",
                figures={
                    "observed": share,
                    "allowed": budget.cache_hit_fraction,
                    "unit": "fraction",
                    "hits": self.hits,
                    "reads": reads,
                },
            )
        ]
