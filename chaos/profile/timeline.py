"""When each fault comes, changes and goes: expanded whole before the run, so that a replay runs the same schedule.

Pure: entries, a seed and a time scale go in; absolute seconds since the start
of the fault phase come out, kept to the microsecond, so that faults which only
meet still only meet after scaling. Whether a timeline can be played never
depends on the seed: entries are checked by where each fault can be at most.
Draws are made from `random.Random(text)` by `random()` alone, which Python
promises to keep from version to version.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from typing import Any, Protocol

from chaos.faults.fault import Drawn, Fault, is_adjustable

# Two days of a fault every 20 s, and of changes every 2 s. More is a slip of the hand, and no run could keep its times.
FAULTS_MAX = 10_000
CHANGES_MAX = 100_000
STEPS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """A fault that lasts becomes `fault`, of the same kind and target, `at_s` seconds into the fault phase."""

    at_s: float
    fault: Fault


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault with its absolute times, in seconds since the start of the fault phase.

    `number` is its own in its schedule; `course` is what becomes of it while it lasts, in order. It is
    an entry too, one that leaves nothing to chance: a recorded schedule is a timeline.
    """

    inject_s: float
    heal_s: float
    fault: Fault
    number: int = 0
    course: tuple[Change, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for times that cannot be, or a course that is not this fault's."""
        if not (0 <= self.inject_s < self.heal_s < math.inf):
            raise ValueError(
                f"heal_s = {self.heal_s!r}: must be after inject_s, {self.inject_s!r}, which is 0 or later"
            )
        times_s = [self.inject_s, *(change.at_s for change in self.course), self.heal_s]
        if not all(one <= other for one, other in pairwise(times_s)):
            raise ValueError(f"course: must be in order of time, from {self.inject_s} to {self.heal_s} s")
        for change in self.course:
            _check_change(self.fault, change.fault)

    @property
    def name(self) -> str:
        """What its toxics, its ledger entry and other traces are called."""
        return f"f{self.number}_{self.fault.kind}"

    def scaled(self, time_scale: float) -> Planned:
        """Return it with all times multiplied."""
        course = tuple(Change(change.at_s * time_scale, change.fault) for change in self.course)
        inject_s, heal_s = self.inject_s * time_scale, self.heal_s * time_scale
        return dataclasses.replace(self, inject_s=inject_s, heal_s=heal_s, course=course)

    def spans(self) -> Iterator[Planned]:
        """Yield itself."""
        yield self

    def drafts(self, draw: random.Random) -> Iterator[Planned]:
        """Yield itself."""
        del draw
        yield self


class TimelineEntry(Protocol):
    """One line of a timeline; times in seconds since the start of the fault phase."""

    def scaled(self, time_scale: float) -> TimelineEntry:
        """Return the entry with all its times multiplied by `time_scale`."""

    def spans(self) -> Iterator[Planned]:
        """Yield each of its faults with the time in which that can be at most, on any draw."""

    def drafts(self, draw: random.Random) -> Iterator[Planned]:
        """Yield each of its faults as drawn, within its span."""


@dataclass(frozen=True, slots=True)
class At:
    """A fault that begins `at_s` seconds into the fault phase and lasts `for_s`."""

    at_s: float
    for_s: float
    fault: Fault

    def __post_init__(self) -> None:
        """Raise ValueError for a time that cannot be."""
        check_time(self.at_s, self.for_s)

    def scaled(self, time_scale: float) -> At:
        """Return it with its times multiplied."""
        return At(self.at_s * time_scale, self.for_s * time_scale, self.fault)

    def spans(self) -> Iterator[Planned]:
        """Yield its one fault."""
        yield Planned(self.at_s, self.at_s + self.for_s, self.fault)

    def drafts(self, draw: random.Random) -> Iterator[Planned]:
        """Yield its one fault, with the course that it draws for itself, if it does."""
        yield drafted(self.at_s, self.for_s, self.fault, draw)


@dataclass(frozen=True, slots=True)
class Every:
    """A fault that comes every `every_s` seconds from `at_s` on and lasts `for_s` each time.

    It comes `times` times, or as often as it has gone again by `until_s`: give one of them. Each time it begins up to
    `spread_s` later than that, as drawn.
    """

    at_s: float
    every_s: float
    for_s: float
    fault: Fault
    times: int | None = None
    until_s: float | None = None
    spread_s: float = 0.0

    def __post_init__(self) -> None:
        """Raise ValueError for a time or a number that cannot be."""
        check_time(self.at_s, self.for_s)
        if not 0 <= self.spread_s < math.inf:
            raise ValueError(f"spread_s = {self.spread_s!r}: must be 0 or more")
        if not self.every_s < math.inf or _to_micro(self.every_s) < _to_micro(self.for_s + self.spread_s):
            rule = f"must be as long as it lasts and spreads, {self.for_s + self.spread_s:g} s: it would meet itself"
            raise ValueError(f"every_s = {self.every_s!r}: {rule}")
        if (self.times is None) == (self.until_s is None):
            raise ValueError(f"times = {self.times!r}: either times or until_s must say how often it comes")
        if self.times is not None and self.times < 1:
            raise ValueError(f"times = {self.times!r}: must be 1 or more")
        if self.until_s is not None and not (math.isfinite(self.until_s) and self.count >= 1):
            raise ValueError(f"until_s = {self.until_s!r}: must leave time for it to come and go once")

    @property
    def count(self) -> int:
        """How often it comes."""
        if self.until_s is None:
            return self.times or 0
        # A time that just fits fits, in spite of binary fractions.
        return math.floor((self.until_s - self.at_s - self.for_s - self.spread_s) / self.every_s + 1e-6) + 1

    def scaled(self, time_scale: float) -> Every:
        """Return it with its times multiplied; it comes as often as before."""
        at_s, every_s = self.at_s * time_scale, self.every_s * time_scale
        for_s, spread_s = self.for_s * time_scale, self.spread_s * time_scale
        return Every(at_s, every_s, for_s, self.fault, times=self.count, spread_s=spread_s)

    def spans(self) -> Iterator[Planned]:
        """Yield each time it comes, as long as it may be there."""
        for at_s in self._begins_s():
            yield Planned(at_s, at_s + self.spread_s + self.for_s, self.fault)

    def drafts(self, draw: random.Random) -> Iterator[Planned]:
        """Yield each time it comes, later by what is drawn."""
        for at_s in self._begins_s():
            yield drafted(at_s + self.spread_s * draw.random(), self.for_s, self.fault, draw)

    def _begins_s(self) -> Iterator[float]:
        return (self.at_s + n * self.every_s for n in range(self.count))


@dataclass(frozen=True, slots=True)
class Ramp:
    """A fault that begins as `fault` and ends as `to`, in `steps` even steps of equal length, both ends among them.

    Both are of one kind, on one target, and differ in numbers only; the kind must be one that can change while it
    lasts.
    """

    at_s: float
    for_s: float
    fault: Fault
    to: Fault
    steps: int = 10

    def __post_init__(self) -> None:
        """Raise ValueError for a time that cannot be, or for faults of which one cannot become the other."""
        check_time(self.at_s, self.for_s)
        if not 2 <= self.steps <= STEPS_MAX:
            raise ValueError(f"steps = {self.steps!r}: must be from 2 to {STEPS_MAX}")
        draws = isinstance(self.fault, Drawn)
        if draws or not is_adjustable(type(self.fault)):
            why = "draws its own course" if draws else "cannot change while it lasts"
            raise ValueError(f"to: {self.fault.kind} {why}, so it cannot be ramped")
        _check_change(self.fault, self.to)
        if self.fault == self.to:
            raise ValueError("to: must differ from where it begins")
        for n in range(1, self.steps):
            _ = self._level(n)

    def scaled(self, time_scale: float) -> Ramp:
        """Return it with its times multiplied; its steps stay as many."""
        return Ramp(self.at_s * time_scale, self.for_s * time_scale, self.fault, self.to, self.steps)

    def spans(self) -> Iterator[Planned]:
        """Yield its one fault."""
        yield Planned(self.at_s, self.at_s + self.for_s, self.fault)

    def drafts(self, draw: random.Random) -> Iterator[Planned]:
        """Yield its one fault, with its steps as the course."""
        del draw
        steps = range(1, self.steps)
        course = tuple(Change(self.at_s + self.for_s * n / self.steps, self._level(n)) for n in steps)
        yield Planned(self.at_s, self.at_s + self.for_s, self.fault, course=course)

    def _level(self, n: int) -> Fault:
        level: Fault = _between(self.fault, self.to, n / (self.steps - 1))
        return level


def expand(entries: Sequence[TimelineEntry], *, seed: int, time_scale: float = 1.0) -> list[Planned]:
    """Return the schedule in the order of injection, all times multiplied by `time_scale`.

    The same entries, seed and scale give the same schedule; what one entry draws depends on its place in the timeline
    and on no other entry. Raises ValueError as `last_heal_s`, and for more changes than a run could make.
    """
    scaled = [entry.scaled(time_scale) for entry in entries]
    _ = last_heal_s(scaled)
    drafts = (e.drafts(random.Random(f"{seed}/{place}")) for place, e in enumerate(scaled, 1))
    planned = [_rounded(draft) for draft in chain.from_iterable(drafts)]
    if sum(len(each.course) for each in planned) > CHANGES_MAX:
        raise ValueError(f"a timeline must not change its faults more than {CHANGES_MAX} times")
    return [dataclasses.replace(p, number=number) for number, p in enumerate(sorted(planned, key=_order), 1)]


def last_heal_s(entries: Sequence[TimelineEntry]) -> float:
    """Return by when the last fault is healed at the latest, on any seed; 0 where there is none.

    Raises ValueError when two faults that claim the same thing could be there at
    the same time: the undoing of one would mend half of the other; when one would
    not last a microsecond; or when there are too many.
    """
    spans = list(islice(chain.from_iterable(entry.spans() for entry in entries), FAULTS_MAX + 1))
    if len(spans) > FAULTS_MAX:
        raise ValueError(f"a timeline must not have more than {FAULTS_MAX} faults")
    holders: dict[str, Planned] = {}
    ends_s = 0.0
    for one in sorted(map(_rounded, spans), key=_order):
        for claim in sorted(one.fault.claims):
            held = holders.get(claim)
            if held is not None and one.inject_s < held.heal_s:
                names = f"{held.fault.kind} on {held.fault.target} and {one.fault.kind} on {one.fault.target}"
                raise ValueError(f"{names} at {one.inject_s} s: two faults on {claim} must not overlap")
            holders[claim] = one
        ends_s = max(ends_s, one.heal_s)
    return ends_s


def drafted(at_s: float, for_s: float, fault: Fault, draw: random.Random) -> Planned:
    """Return a fault that lasts `for_s` from `at_s` on, with the course that it draws for itself, if it does."""
    course: tuple[Change, ...] = ()
    if isinstance(fault, Drawn):
        own = islice(fault.course(for_s, draw), CHANGES_MAX + 1)
        course = tuple(Change(at_s + after_s, each) for after_s, each in own)
    return Planned(at_s, at_s + for_s, fault, course=course)


def check_time(at_s: float, for_s: float) -> None:
    """Raise ValueError for a beginning or a length that cannot be."""
    if not (0 <= at_s < math.inf and 0 < for_s < math.inf):
        raise ValueError(f"at_s = {at_s}, for_s = {for_s}: a fault begins at 0 or later and lasts")


def _check_change(fault: Fault, to: Fault) -> None:
    if (to.kind, to.target, to.claims) != (fault.kind, fault.target, fault.claims):
        names = f"{fault.kind} on {fault.target}, not {to.kind} on {to.target}"
        raise ValueError(f"a fault stays what and where it is while it lasts: {names}")


def _between(fault: Any, to: Any, share: float) -> Any:
    """Return the fault whose numbers have gone `share` of the way; whole numbers stay whole."""
    values = {}
    for field in dataclasses.fields(fault):
        begin, end = getattr(fault, field.name), getattr(to, field.name)
        if begin == end or share == 1:
            values[field.name] = end
        elif isinstance(begin, bool) or not (isinstance(begin, int | float) and isinstance(end, int | float)):
            raise ValueError(f"{field.name} = {end!r}: only numbers can be ramped, so it must stay {begin!r}")
        else:
            value = begin + (end - begin) * share
            # Levels are read by people, in a report and in the run folder.
            values[field.name] = round(value) if isinstance(begin, int) and isinstance(end, int) else round(value, 9)
    return type(fault)(**values)


def _rounded(planned: Planned) -> Planned:
    """Return it to the microsecond."""
    inject_s, heal_s = _to_micro(planned.inject_s), _to_micro(planned.heal_s)
    if inject_s >= heal_s:
        fault = planned.fault
        raise ValueError(f"{fault.kind} on {fault.target} at {planned.inject_s} s: lasts less than a microsecond")
    course = tuple(Change(min(_to_micro(change.at_s), heal_s), change.fault) for change in planned.course)
    return dataclasses.replace(planned, inject_s=inject_s, heal_s=heal_s, course=course)


def _to_micro(t_s: float) -> float:
    # By way of the nanosecond, so that times which differ in the last bit only are not rounded apart.
    return round(round(t_s, 9), 6)


def _order(planned: Planned) -> tuple[float, float, str, str]:
    return planned.inject_s, planned.heal_s, planned.fault.target, planned.fault.kind
