"""Timelines: expanded whole, in order, the same each time; what contradicts itself is refused whatever the seed."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.faults.fault import Adjustable, Fault
from chaos.faults.links.down import DownFault
from chaos.faults.links.latency import LatencyFault
from chaos.profile import timeline
from chaos.profile.swizzle import Swizzle
from chaos.profile.timeline import FAULTS_MAX, At, Change, Every, Planned, Ramp, TimelineEntry, expand, last_heal_s
from chaos.targets import Targets

HOPS = ("a", "b", "c")
STEPS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)), max_size=5)
SEEDS = st.integers(0, 2**32 - 1)


class Named:
    """What is the same for the faults below."""

    def describe(self) -> Mapping[str, object]:
        return {}

    def aim(self, targets: Targets, name: str) -> Adjustable:
        raise NotImplementedError


@dataclass(frozen=True)
class Wavering(Named):
    """A fault of numbers that can change, and that nobody else has."""

    target: str = "a"
    level_s: float = 1.0
    pieces: int = 1
    loud: bool = False
    kind: ClassVar[str] = "wavering"

    @property
    def claims(self) -> frozenset[str]:
        return frozenset({f"hop {self.target} wavering"})


@dataclass(frozen=True)
class Chancy(Named):
    """A fault that draws what becomes of it, four times a second."""

    target: str = "a"
    level: float = 0.0
    kind: ClassVar[str] = "chancy"

    @property
    def claims(self) -> frozenset[str]:
        return frozenset()

    def course(self, for_s: float, draw: random.Random) -> Sequence[tuple[float, Fault]]:
        return [(n / 4, dataclasses.replace(self, level=draw.random())) for n in range(1, math.ceil(for_s * 4))]


@st.composite
def timelines(draw: st.DrawFn) -> list[At]:
    """Draw entries in any order that may meet, but do not overlap, on any hop."""
    entries = []
    for hop in HOPS:
        begins_s = 0
        for gap_s, for_s in draw(STEPS):
            begins_s += gap_s
            faults: list[Fault] = [LatencyFault(hop, 0.2), DownFault(hop)]
            fault = draw(st.sampled_from(faults))
            entries.append(At(float(begins_s), float(for_s), fault))
            begins_s += for_s
    return draw(st.permutations(entries))


@st.composite
def all_kinds(draw: st.DrawFn) -> list[TimelineEntry]:
    """Draw entries of every kind, one after another in time, and return them in any order."""
    entries: list[TimelineEntry] = []
    begins_s = 0.0
    for kind in draw(st.lists(st.sampled_from(["at", "every", "ramp", "swizzle", "chancy"]), max_size=6)):
        at_s, for_s = begins_s + draw(st.integers(0, 5)), float(draw(st.integers(1, 9)))
        match kind:
            case "every":
                spread_s, times = draw(st.sampled_from([0.0, 0.5, 3.0])), draw(st.integers(1, 6))
                entries.append(
                    Every(at_s, for_s + spread_s, for_s, LatencyFault("b", 0.2), times=times, spread_s=spread_s)
                )
                for_s = (for_s + spread_s) * times
            case "ramp":
                steps = draw(st.integers(2, 20))
                entries.append(Ramp(at_s, for_s, Wavering(level_s=0.0), Wavering(level_s=2.0), steps=steps))
            case "swizzle":
                entries.append(Swizzle(at_s, for_s, HOPS, gap_s=for_s / 5))
            case _:
                entries.append(At(at_s, for_s, Chancy() if kind == "chancy" else DownFault("c")))
        begins_s = at_s + for_s
    return draw(st.permutations(entries))


# As people give them: a share with few digits.
SCALES = st.integers(1, 10_000).map(lambda n: n / 1000)


@settings(deadline=None, max_examples=50)
@given(timelines(), SCALES)
def test_all_entries_come_out_scaled_and_in_order(entries: list[At], time_scale: float) -> None:
    planned = expand(entries, seed=1, time_scale=time_scale)
    assert len(planned) == len(entries)
    assert [p.inject_s for p in planned] == sorted(p.inject_s for p in planned)
    assert [p.number for p in planned] == list(range(1, len(planned) + 1))
    for entry in entries:
        (match,) = [p for p in planned if p.fault == entry.fault and _near(p.inject_s, entry.at_s * time_scale)]
        assert _near(match.heal_s, (entry.at_s + entry.for_s) * time_scale)


@settings(deadline=None, max_examples=50)
@given(timelines(), SCALES, st.randoms())
def test_the_order_of_what_is_not_drawn_does_not_matter(
    entries: list[At], time_scale: float, rng: random.Random
) -> None:
    shuffled = entries.copy()
    rng.shuffle(shuffled)
    schedule = expand(entries, seed=1, time_scale=time_scale)
    assert expand(shuffled, seed=2, time_scale=time_scale) == schedule


@settings(deadline=None, max_examples=50)
@given(timelines(), SCALES)
def test_on_one_hop_a_fault_has_healed_before_the_next_begins(entries: list[At], time_scale: float) -> None:
    planned = expand(entries, seed=1, time_scale=time_scale)
    for hop in HOPS:
        mine = [p for p in planned if p.fault.target == hop]
        assert all(one.heal_s <= other.inject_s for one, other in pairwise(mine))


@settings(deadline=None, max_examples=50)
@given(all_kinds(), SEEDS, SCALES)
def test_the_same_seed_gives_the_same_schedule_and_every_seed_one_that_can_be_played(
    entries: list[TimelineEntry], seed: int, time_scale: float
) -> None:
    planned = expand(entries, seed=seed, time_scale=time_scale)
    assert expand(entries, seed=seed, time_scale=time_scale) == planned
    assert len(planned) == sum(len(list(entry.spans())) for entry in entries)
    ends_s = last_heal_s([entry.scaled(time_scale) for entry in entries])
    assert all(0 <= p.inject_s < p.heal_s <= ends_s for p in planned)
    for p in planned:
        assert all(p.inject_s <= change.at_s <= p.heal_s for change in p.course)
        assert all((c.fault.kind, c.fault.target) == (p.fault.kind, p.fault.target) for c in p.course)
    for n, one in enumerate(planned):
        assert not any(
            other.inject_s < one.heal_s and one.fault.claims & other.fault.claims for other in planned[n + 1 :]
        )


@settings(deadline=None, max_examples=50)
@given(all_kinds(), SEEDS, SCALES)
def test_scaling_stretches_what_is_drawn_too(entries: list[TimelineEntry], seed: int, time_scale: float) -> None:
    undrawn = [entry for entry in entries if not (isinstance(entry, At) and isinstance(entry.fault, Chancy))]
    whole, scaled = expand(undrawn, seed=seed), expand(undrawn, seed=seed, time_scale=time_scale)
    key = sorted((p.fault.kind, p.fault.target, p.inject_s * time_scale, p.heal_s * time_scale) for p in whole)
    other = sorted((p.fault.kind, p.fault.target, p.inject_s, p.heal_s) for p in scaled)
    assert [k[:2] for k in key] == [k[:2] for k in other]
    for one, two in zip(key, other, strict=True):
        assert two[2:] == pytest.approx(one[2:], abs=2e-5)


@settings(deadline=None, max_examples=50)
@given(all_kinds(), SEEDS)
def test_a_schedule_is_a_timeline_that_expands_to_itself(entries: list[TimelineEntry], seed: int) -> None:
    planned = expand(entries, seed=seed)
    assert expand(planned, seed=seed + 1) == planned
    stretched: list[TimelineEntry] = [p.scaled(4.0) for p in planned]
    assert expand(stretched, seed=0, time_scale=0.25) == planned


@settings(deadline=None, max_examples=50)
@given(timelines().filter(bool), st.data())
def test_an_overlap_on_one_hop_is_refused_wherever_it_is(entries: list[At], data: st.DataObject) -> None:
    victim = data.draw(st.sampled_from(entries))
    at_s = data.draw(st.integers(int(victim.at_s), int(victim.at_s + victim.for_s) - 1))
    with pytest.raises(ValueError, match=r"two faults on hop . \w+ must not overlap"):
        expand([*entries, At(float(at_s), 0.5, DownFault(victim.fault.target))], seed=1)


def test_faults_overlap_freely_on_different_hops() -> None:
    entries = [At(0, 10, DownFault("a")), At(5, 10, DownFault("b")), At(5, 10, LatencyFault("c", 0.1))]
    assert [p.fault.target for p in expand(entries, seed=1)] == ["a", "b", "c"]


def test_an_overlap_is_told_with_both_faults_the_hop_and_the_time() -> None:
    with pytest.raises(ValueError, match=r"latency on a and down on a at 5\.0 s: two faults on hop a delay"):
        expand([At(0, 10, LatencyFault("a", 0.1)), At(5, 10, DownFault("a"))], seed=1)


def test_an_overlap_is_found_beyond_a_short_neighbour() -> None:
    entries = [At(0, 100, DownFault("a")), At(1, 1, DownFault("b")), At(50, 1, DownFault("a"))]
    with pytest.raises(ValueError, match=r"on a at 50\.0 s"):
        expand(entries, seed=1)


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_an_overlap_that_only_some_seeds_would_draw_is_refused_for_all(seed: int) -> None:
    entries: list[TimelineEntry] = [Every(0, 10, 2, DownFault("a"), times=3, spread_s=8), At(9, 1, DownFault("a"))]
    with pytest.raises(ValueError, match="must not overlap"):
        expand(entries, seed=seed)


@pytest.mark.parametrize(
    ("at_s", "for_s"),
    [(-1, 1), (0, 0), (0, -1), (math.nan, 1), (0, math.nan), (math.inf, 1), (0, math.inf)],
)
def test_a_time_that_cannot_be_is_refused(at_s: float, for_s: float) -> None:
    with pytest.raises(ValueError, match="a fault begins at 0 or later and lasts"):
        At(at_s, for_s, DownFault("a"))


def test_a_fault_scaled_to_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"down on a .*less than a microsecond"):
        expand([At(10, 1, DownFault("a"))], seed=1, time_scale=1e-7)


def test_nothing_planned_is_nothing_played() -> None:
    assert expand([], seed=1) == []
    assert expand([At(1, 2, DownFault("a"))], seed=1, time_scale=0.5) == [Planned(0.5, 1.5, DownFault("a"), 1)]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 100), st.integers(1, 100), st.integers(1, 100), st.integers(1, 50))
def test_every_comes_as_often_as_it_fits(at: int, for_: int, gap: int, times: int) -> None:
    """In tenths of a second, which no binary fraction is: what just fits must fit."""
    at_s, for_s, every_s = at / 10, for_ / 10, (for_ + gap) / 10
    until_s = (at + for_ + (times - 1) * (for_ + gap)) / 10
    by_times = expand([Every(at_s, every_s, for_s, DownFault("a"), times=times)], seed=1)
    assert expand([Every(at_s, every_s, for_s, DownFault("a"), until_s=until_s)], seed=1) == by_times
    assert len(by_times) == times
    shorter_s = until_s - 0.001
    if times > 1:
        assert Every(at_s, every_s, for_s, DownFault("a"), until_s=shorter_s).count == times - 1


@settings(deadline=None, max_examples=50)
@given(SEEDS, st.integers(1, 20))
def test_every_spreads_within_what_it_may(seed: int, times: int) -> None:
    entry = Every(1.0, 5.0, 2.0, DownFault("a"), times=times, spread_s=3.0)
    planned = expand([entry], seed=seed)
    late_s = [p.inject_s - (1.0 + 5.0 * n) for n, p in enumerate(planned)]
    assert all(-1e-9 <= each <= 3.0 for each in late_s)
    assert all(_near(p.heal_s - p.inject_s, 2.0) for p in planned)
    if times > 3:
        assert len(set(late_s)) > 1
        assert expand([entry], seed=seed + 1) != planned


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({}, "either times or until_s"),
        ({"times": 1, "until_s": 9.0}, "either times or until_s"),
        ({"times": 0}, "times = 0: must be 1 or more"),
        ({"until_s": 2.5}, "until_s = 2.5: must leave time"),
        ({"until_s": math.nan}, "until_s = nan: must leave time"),
        ({"times": 2, "spread_s": 1.5}, r"every_s = 3.0: must be as long as it lasts and spreads, 3\.5 s"),
        ({"times": 2, "spread_s": -1.0}, "spread_s = -1.0: must be 0 or more"),
    ],
)
def test_a_repetition_that_cannot_be_is_refused(options: dict[str, float], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Every(1.0, 3.0, 2.0, DownFault("a"), **options)  # type: ignore[arg-type] # by name


def test_a_ramp_goes_in_even_steps_from_one_end_to_the_other() -> None:
    begin, end = Wavering(level_s=1.0, pieces=10), Wavering(level_s=3.0, pieces=0)
    (planned,) = expand([Ramp(10.0, 5.0, begin, end, steps=5)], seed=1)
    assert (planned.inject_s, planned.heal_s, planned.fault) == (10.0, 15.0, begin)
    assert [c.at_s for c in planned.course] == [11.0, 12.0, 13.0, 14.0]
    levels = [c.fault for c in planned.course]
    assert levels == [
        Wavering(level_s=1.5, pieces=8),
        Wavering(level_s=2.0, pieces=5),
        Wavering(level_s=2.5, pieces=2),
        end,
    ]


@pytest.mark.parametrize(
    ("fault", "to", "rule"),
    [
        (DownFault("a"), DownFault("a"), "down cannot change while it lasts"),
        (Chancy(), Chancy(level=1.0), "chancy draws its own course"),
        (Wavering(), Wavering(), "must differ"),
        (Wavering(), Wavering("b", level_s=2.0), "a fault stays what and where it is"),
        (Wavering(), LatencyFault("a", 0.2), "wavering on a, not latency on a"),
        (Wavering(), Wavering(loud=True), "loud = True: only numbers can be ramped"),
    ],
)
def test_a_ramp_that_cannot_be_is_refused(fault: Fault, to: Fault, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Ramp(0.0, 10.0, fault, to)


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_what_a_fault_draws_for_itself_is_drawn_before_the_run(seed: int) -> None:
    entries = [At(2.0, 3.0, Chancy()), At(8.0, 3.0, Chancy())]
    one, two = expand(entries, seed=seed)
    assert [c.at_s for c in one.course] == [2.0 + n / 4 for n in range(1, 12)]
    assert [c.fault for c in one.course] != [c.fault for c in two.course]
    assert expand(entries, seed=seed + 1)[0].course != one.course
    assert expand([*entries, At(20.0, 1.0, Chancy())], seed=seed)[:2] == [one, two]


def test_draws_are_the_same_on_every_machine_and_version() -> None:
    entries: list[TimelineEntry] = [
        Every(0.0, 10.0, 2.0, DownFault("a"), times=2, spread_s=5.0),
        Swizzle(20.0, 9.0, HOPS),
    ]
    assert [(p.fault.target, p.inject_s, p.heal_s) for p in expand(entries, seed=7331)] == DRAWN


def test_a_timeline_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = Every(0.0, 2e-3, 1e-3, DownFault("a"), times=10**9)
    with pytest.raises(ValueError, match=f"must not have more than {FAULTS_MAX} faults"):
        expand([endless], seed=1)
    monkeypatch.setattr(timeline, "CHANGES_MAX", 39)
    assert len(expand([At(0.0, 10.0, Chancy())], seed=1)[0].course) == 39
    for entries in ([At(0.0, 10.5, Chancy())], [At(0.0, 6.0, Chancy()), At(10.0, 6.0, Chancy())]):
        with pytest.raises(ValueError, match="must not change its faults more than 39 times"):
            expand(entries, seed=1)


@pytest.mark.parametrize(
    ("inject_s", "heal_s", "changes_s", "rule"),
    [
        (1.0, 1.0, [], "heal_s = 1.0: must be after inject_s"),
        (-1.0, 1.0, [], "must be after inject_s, -1.0, which is 0 or later"),
        (0.0, math.inf, [], "heal_s = inf"),
        (1.0, 3.0, [0.5], "course: must be in order of time, from 1.0 to 3.0 s"),
        (1.0, 3.0, [2.0, 1.5], "course: must be in order"),
        (1.0, 3.0, [math.nan], "course: must be in order"),
    ],
)
def test_a_planned_fault_that_cannot_be_is_refused(
    inject_s: float, heal_s: float, changes_s: list[float], rule: str
) -> None:
    with pytest.raises(ValueError, match=rule):
        Planned(inject_s, heal_s, Wavering(), course=tuple(Change(at_s, Wavering()) for at_s in changes_s))


def _near(one_s: float, other_s: float) -> bool:
    return abs(one_s - other_s) <= 1e-6


DRAWN = [
    ("a", 0.775627, 2.775627),
    ("a", 10.643904, 12.643904),
    ("c", 20.0, 28.309176),
    ("b", 20.846651, 27.519798),
    ("a", 21.375781, 29.0),
]
