"""From what a run left behind to its findings: every registered check that applies, each guarded.

The order of the findings is the order in which a reader should doubt a run:
first whether it measured anything at all, then the faults, then what the
system did.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from harness.criteria.budget import Budget
from harness.criteria.observations import Observation
from harness.judging.checks.sampled import SeriesSource
from harness.judging.evidence import Evidence
from harness.judging.registry import Case, checks
from harness.verdict import Result, guarded


def judge(
    evidence: Evidence, budget: Budget, source: SeriesSource, observations: Sequence[Observation] = ()
) -> list[Result]:
    """Return every finding and measurement of a run; a check that crashes is INCONCLUSIVE and stops no other.

    `source` has the run's series; `observations` are what must have been observed for a pass to count.
    """
    case = Case(evidence, budget, source, observations)
    results: list[Result] = list(evidence.trouble)
    for check in checks():
        if check.applies(case):
            results += guarded(check.name, partial(check.decide, case))
    return results
