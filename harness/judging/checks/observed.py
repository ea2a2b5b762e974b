"""Did the run meet its preconditions: what had to be observed for a pass to prove anything?

Where it did not, the system may be as good as its other findings say, or was
never tested: INCONCLUSIVE, and never a failure, for the system did not promise
it. What was not sampled was not observed.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from harness.criteria.limits import WHERE, Range, Statistic, amount
from harness.criteria.observations import EventSeen, Observation, SeriesSeen
from harness.judging.checks.sampled import PRESENT, Part, SeriesSource, part_of, series_names, unknown_series
from harness.judging.checks.statistic import seen_of, value_of
from harness.judging.registry import Check, register
from harness.records import Event
from harness.verdict import Finding, Verdict

CHECK = "must_observe"
# What is missing could only add to these.
_SURELY_ABOVE = frozenset({Statistic.MAX, Statistic.SUM, Statistic.INCREASE})


class _Seen(NamedTuple):
    """What a statistic came to, and the share of the samples that it is of."""

    value: float
    share: float


def check_observed(source: SeriesSource, events: Sequence[Event], observations: Iterable[Observation]) -> list[Finding]:
    """Return a finding for each thing that had to be observed in a run."""
    names = series_names(source)
    return [
        _of_series(source, names, each) if isinstance(each, SeriesSeen) else _of_events(source, events, each)
        for each in observations
    ]


def _of_series(source: SeriesSource, names: Sequence[str], asked: SeriesSeen) -> Finding:
    def say(value: float) -> str:
        return amount(asked.series, asked.statistic, value)

    required, where = _required(asked.wanted, say), WHERE[asked.when]
    mine = [name for name in names if asked.names(name)]
    if not mine:
        return unknown_series(CHECK, asked.series, names, required)
    seen = _seen([part_of(source, name, asked.when) for name in mine], asked)
    if seen is None:
        return _finding(asked.series, f"not sampled {where}", required, met=False)
    observed = f"{say(seen.value)} ({asked.statistic}) {where}"
    met = asked.wanted.holds(seen.value)
    if met and seen.share < PRESENT and not _surely(asked):
        observed, met = f"{observed} with only {seen.share:.0%} of the samples present", False
    return _finding(asked.series, observed, required, met=met, value=seen.value)


def _seen(parts: Sequence[Part], asked: SeriesSeen) -> _Seen | None:
    """Return what the parts came to: their sum, or what the one came to that is nearest to what is asked."""
    there = [part for part in parts if len(part.buckets.t_s)]
    each = [_Seen(value_of(part, asked.statistic), seen_of(part, asked.statistic)) for part in there]
    if not each:
        return None
    if asked.adds_up:
        return _Seen(sum(seen.value for seen in each), min(seen.share for seen in each))
    return max(each, key=lambda seen: (-_off(asked, seen.value), seen.share))


def _off(asked: SeriesSeen, value: float) -> float:
    """Return by how much a value misses what is asked, 0 where it does not."""
    low, high = asked.wanted
    return max(0.0, (low - value) if low is not None else 0.0, (value - high) if high is not None else 0.0)


def _surely(asked: SeriesSeen) -> bool:
    """Return whether no missing sample could change what was observed."""
    low, high = asked.wanted
    return (high is None and asked.statistic in _SURELY_ABOVE) or (low is None and asked.statistic is Statistic.MIN)


def _of_events(source: SeriesSource, events: Sequence[Event], asked: EventSeen) -> Finding:
    fitting = np.array([event.t_s for event in events if asked.fits(event)], dtype=np.float64)
    count = int(source.mask(fitting, asked.when).sum())
    observed, required = f"{count} {WHERE[asked.when]}", _required(asked.wanted, "{:g}".format)
    kinds = sorted({event.kind for event in events})
    if asked.event not in kinds and (near := difflib.get_close_matches(asked.event, kinds)):
        observed += f" (there is {', '.join(near)})"
    return _finding(str(asked), observed, required, met=asked.wanted.holds(count), value=count)


def _required(wanted: Range, say: Callable[[float], str]) -> str:
    ends = {">=": wanted.minimum, "<=": wanted.maximum}
    return " and ".join(f"{sign} {say(value)}" for sign, value in ends.items() if value is not None)


def _finding(where: str, observed: str, required: str, *, met: bool, value: float = math.nan) -> Finding:
    verdict, word = (Verdict.PASS, "met") if met else (Verdict.INCONCLUSIVE, "not met")
    message = f"precondition {word}: {where} was {observed}, required {required}"
    return Finding(CHECK, verdict, observed, required, where, message, {"observed": value})


register(
    Check(
        CHECK,
        0,
        lambda case: check_observed(case.source, case.evidence.events, case.observations),
        applies=lambda case: bool(case.observations),
    )
)
