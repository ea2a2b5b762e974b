"""Does each series keep the limits that the user set on it?

A limit that no series is under, or too few samples, or a run shorter than its
window, is INCONCLUSIVE: what was not measured was not kept. A sample that breaks
a limit breaks it, however many are missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from harness.criteria.limits import INCREASES, WHERE, Bound, GrowthLimit, Range, SeriesLimit, Statistic, amount, unit_of
from harness.judging.checks.sampled import PRESENT, Part, SeriesSource, part_of, series_names, unknown_series
from harness.judging.checks.statistic import seen_of, value_of
from harness.judging.registry import Case, Check, register
from harness.quantity import growth_scale
from harness.stats.leak import decide_leak
from harness.units import format_s
from harness.verdict import Finding, Verdict

_CHECK = "limits"
_UNITS: Mapping[str, str] = {"size": "B", "duration": "s"}
# What is missing could only add to these, so they are surely above what was measured.
_SURELY_ABOVE = frozenset({Statistic.MAX, Statistic.SUM, Statistic.INCREASE})
_SURELY_BELOW = frozenset({Statistic.MIN})
# A window with less than this share of its samples is not judged.
_WINDOW_PRESENT = 0.5
# A series whose last sample is older than so many says nothing of how the run ended.
_LAST_WITHIN = 3


class _Side(NamedTuple):
    """One end of a bound: `sign` is 1 where a value must not be more than `limit`, -1 where not less."""

    statistic: Statistic
    sign: int
    limit: float


class _Reading(NamedTuple):
    """What a bound's side came to, beyond its limit by `margin`, and when that was worst."""

    side: _Side
    value: float
    margin: float
    t_s: float

    @property
    def broken(self) -> bool:
        """Whether the value is beyond the limit."""
        return self.margin > 0

    @property
    def sure(self) -> bool:
        """Whether no missing sample could change that it is broken."""
        return self.side.statistic in (_SURELY_ABOVE if self.side.sign > 0 else _SURELY_BELOW)


def check_limits(source: SeriesSource, limits: Iterable[SeriesLimit]) -> list[Finding]:
    """Return a finding for every limit on every series that it names."""
    names = series_names(source)
    findings = []
    for limit in limits:
        mine = [name for name in names if limit.names(name)]
        findings += [finding for name in mine for finding in _judge(source, name, limit)] or [
            unknown_series(_CHECK, limit.series, names)
        ]
    return findings


def _judge(source: SeriesSource, name: str, limit: SeriesLimit) -> Iterator[Finding]:
    part = part_of(source, name, limit.when)
    if limit.bound and limit.bound.window_s:
        yield _windowed(name, part, limit.bound, limit.bound.window_s, WHERE[limit.when])
    elif limit.bound:
        yield _whole(name, part, limit.bound, WHERE[limit.when])
    for growth in limit.growth:
        yield _grown(source, name, part, growth, WHERE[limit.when])


def _whole(name: str, part: Part, bound: Bound, where: str) -> Finding:
    allowed = _allowed(name, bound)
    if not len(part.buckets.t_s):
        return _undecided(name, allowed, f"not sampled {where}")
    reading = _worst(part, bound)
    if (missing := _missing(part, bound.statistic)) and not (reading.broken and reading.sure):
        return _undecided(name, allowed, f"{missing} {where}")
    return Finding.about(
        name,
        check=_CHECK,
        verdict=_verdict(broken=reading.broken),
        where=name,
        observed=f"{_text(name, bound, reading.value)} {where}",
        allowed=allowed,
        notes=[f"worst at {reading.t_s:.1f} s"],
        figures={"observed": reading.value, "allowed": reading.side.limit, "worst_s": reading.t_s},
    )


def _windowed(name: str, part: Part, bound: Bound, window_s: float, where: str) -> Finding:
    allowed = f"{_allowed(name, bound)} in all but {bound.bad_windows} windows of {format_s(window_s)}"
    ends_s = _window_ends_s(part, window_s)
    readings = [_window(part.between(end_s - window_s, end_s), bound) for end_s in ends_s]
    judged = [reading for reading in readings if reading]
    if not judged:
        reason = f"no window of {format_s(window_s)} with enough samples in {format_s(part.lasted_s)} {where}"
        return _undecided(name, allowed, reason)
    bad = sum(reading.broken for reading in judged) - _twice(ends_s, window_s, readings)
    if len(judged) < PRESENT * len(ends_s) and bad <= bound.bad_windows:
        return _undecided(name, allowed, f"only {len(judged)} of {len(ends_s)} windows have enough samples {where}")
    worst = max(judged, key=lambda reading: reading.margin)
    return Finding.about(
        name,
        check=_CHECK,
        verdict=_verdict(broken=bad > bound.bad_windows),
        where=name,
        observed=f"{bad} of {len(judged)} windows bad {where}",
        allowed=allowed,
        notes=[f"worst {_text(name, bound, worst.value)} around {worst.t_s:.1f} s"],
        figures={
            "observed": bad,
            "allowed": bound.bad_windows,
            "windows": len(judged),
            "worst": worst.value,
            "worst_s": worst.t_s,
        },
    )


def _window_ends_s(part: Part, window_s: float) -> list[float]:
    """Return where windows end, so that all of the part is in one: the last may begin within the one before."""
    whole = int((part.lasted_s + part.every_s / 2) / window_s)
    ends_s = [(n + 1) * window_s for n in range(whole)]
    if ends_s and part.lasted_s - ends_s[-1] > part.every_s / 2:
        ends_s.append(part.lasted_s)
    return ends_s


def _twice(ends_s: list[float], window_s: float, readings: list[_Reading | None]) -> int:
    """Return how many of the broken windows share samples with another that is broken: the last may."""
    if len(ends_s) < 2 or ends_s[-1] - ends_s[-2] >= window_s:
        return 0
    return int(all(reading is not None and reading.broken for reading in readings[-2:]))


def _window(part: Part, bound: Bound) -> _Reading | None:
    """Return what a window came to, None where it has too few samples."""
    if not len(part.buckets.t_s):
        return None
    reading = _worst(part, bound)
    seen = seen_of(part, bound.statistic) >= _WINDOW_PRESENT
    return reading if seen or (reading.broken and reading.sure) else None


def _missing(part: Part, statistic: Statistic) -> str:
    """Return what hides too much of the part for a decision, empty when nothing does."""
    seen, ago_s = seen_of(part, statistic), part.lasted_s - float(part.at_s[-1])
    if seen < PRESENT:
        return f"only {seen:.0%} of the {part.expected} samples present"
    if statistic is Statistic.LAST and ago_s > _LAST_WITHIN * part.every_s:
        return f"no sample in the last {format_s(ago_s)}"
    return ""


def _worst(part: Part, bound: Bound) -> _Reading:
    every = bound.statistic is Statistic.EVERY
    sides = []
    if bound.maximum is not None:
        sides.append(_Side(Statistic.MAX if every else bound.statistic, 1, bound.maximum))
    if bound.minimum is not None:
        sides.append(_Side(Statistic.MIN if every else bound.statistic, -1, bound.minimum))
    return max((_read(part, side) for side in sides), key=lambda reading: reading.margin)


def _read(part: Part, side: _Side) -> _Reading:
    value = value_of(part, side.statistic)
    shown = part.gained if side.statistic in INCREASES else part.buckets.high if side.sign > 0 else part.buckets.low
    worst = -1 if side.statistic is Statistic.LAST else int(np.argmax(side.sign * shown))
    return _Reading(side, value, side.sign * (value - side.limit), float(part.buckets.t_s[worst]))


def _grown(source: SeriesSource, name: str, part: Part, growth: GrowthLimit, where: str) -> Finding:
    scale = growth_scale(_unit(name), growth.per, growth.allowed)
    if (part.present < PRESENT) or not len(part.buckets.t_s):
        reason = f"only {part.present:.0%} of the {part.expected} samples present {where}"
        return _undecided(name, scale.text(growth.allowed), reason)
    t_s = part.buckets.t_s
    if again_s := [moment_s for moment_s in source.restarts_s(name) if t_s[0] < moment_s <= t_s[-1]]:
        return _undecided(name, scale.text(growth.allowed), f"restarted at {again_s[0]:.1f} s")
    # Rolled up or not, the floor of a stretch is the lowest sample in it.
    x, y = t_s / 3600, part.buckets.low
    if growth.per == "request":
        # A tick in which no request ended adds no point to a curve over requests.
        x, first = np.unique(source.requests(t_s), return_index=True)
        y = y[first]
    leak = decide_leak(x, y, budget=growth.allowed, wander=growth.wander)
    if np.isnan(leak.slope):
        return _undecided(name, scale.text(growth.allowed), leak.reason)
    scale = growth_scale(_unit(name), growth.per, leak.slope, leak.half_width, growth.allowed)
    return Finding.about(
        f"{name} growth",
        check=_CHECK,
        verdict=leak.verdict,
        where=name,
        observed=f"{scale.estimate(leak.slope, leak.half_width)} {where}",
        allowed=scale.text(growth.allowed),
        limit=scale.bare(growth.allowed),
        notes=[
            "" if leak.verdict is Verdict.PASS else leak.reason,
            f"smallest detectable leak {scale.rough(leak.detectable)}",
        ],
        figures={
            "observed": leak.slope,
            "half_width": leak.half_width,
            "allowed": growth.allowed,
            "detectable": leak.detectable,
            "unit": f"{_unit(name) or '1'}/{growth.per}",
        },
    )


def _unit(name: str) -> str:
    return _UNITS.get(unit_of(name).quantity.name, "")


def _undecided(name: str, allowed: str, reason: str) -> Finding:
    return Finding.about(
        name,
        check=_CHECK,
        verdict=Verdict.INCONCLUSIVE,
        where=name,
        observed=f"undecided ({reason})",
        allowed=allowed,
    )


def _verdict(*, broken: bool) -> Verdict:
    return Verdict.FAIL if broken else Verdict.PASS


def _allowed(name: str, bound: Bound) -> str:
    return Range(bound.minimum, bound.maximum).told(lambda value: amount(name, bound.statistic, value))


def _text(name: str, bound: Bound, value: float) -> str:
    statistic = "" if bound.statistic is Statistic.EVERY else f"{bound.statistic} "
    return statistic + amount(name, bound.statistic, value)


def _limits(case: Case) -> Sequence[SeriesLimit]:
    return case.budget.limits(case.lasted_s)


register(
    Check(
        _CHECK,
        150,
        lambda case: check_limits(case.source, _limits(case)),
        applies=lambda case: bool(_limits(case)),
    )
)
