"""Timelines: expanded whole, in order, the same each time; what contradicts itself is refused."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.faults import DownFault, Fault, LatencyFault
from chaos.timeline import At, Planned, expand

HOPS = ("a", "b", "c")
STEPS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)), max_size=5)


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


# As people give them: a share with few digits.
SCALES = st.integers(1, 10_000).map(lambda n: n / 1000)


@given(timelines(), SCALES)
def test_all_entries_come_out_scaled_and_in_order(entries: list[At], time_scale: float) -> None:
    planned = expand(entries, time_scale=time_scale)
    assert len(planned) == len(entries)
    assert [p.inject_s for p in planned] == sorted(p.inject_s for p in planned)
    for entry in entries:
        (match,) = [p for p in planned if p.fault == entry.fault and _near(p.inject_s, entry.at_s * time_scale)]
        assert _near(match.heal_s, (entry.at_s + entry.for_s) * time_scale)


@given(timelines(), SCALES, st.randoms())
def test_the_order_of_the_entries_does_not_matter(entries: list[At], time_scale: float, rng: random.Random) -> None:
    shuffled = entries.copy()
    rng.shuffle(shuffled)
    assert expand(shuffled, time_scale=time_scale) == expand(entries, time_scale=time_scale)


@given(timelines(), SCALES)
def test_on_one_hop_a_fault_has_healed_before_the_next_begins(entries: list[At], time_scale: float) -> None:
    planned = expand(entries, time_scale=time_scale)
    for hop in HOPS:
        mine = [p for p in planned if p.fault.hop == hop]
        assert all(one.heal_s <= other.inject_s for one, other in pairwise(mine))


@given(timelines().filter(bool), st.data())
def test_an_overlap_on_one_hop_is_refused_wherever_it_is(entries: list[At], data: st.DataObject) -> None:
    victim = data.draw(st.sampled_from(entries))
    at_s = data.draw(st.integers(int(victim.at_s), int(victim.at_s + victim.for_s) - 1))
    with pytest.raises(ValueError, match="two faults on one hop must not overlap"):
        expand([*entries, At(float(at_s), 0.5, DownFault(victim.fault.hop))], time_scale=1.0)


def test_faults_overlap_freely_on_different_hops() -> None:
    entries = [At(0, 10, DownFault("a")), At(5, 10, DownFault("b")), At(5, 10, LatencyFault("c", 0.1))]
    assert [p.fault.hop for p in expand(entries, time_scale=1.0)] == ["a", "b", "c"]


def test_an_overlap_is_told_with_both_faults_the_hop_and_the_time() -> None:
    with pytest.raises(ValueError, match=r"latency and down on a at 5\.0 s: two faults"):
        expand([At(0, 10, LatencyFault("a", 0.1)), At(5, 10, DownFault("a"))], time_scale=1.0)


def test_an_overlap_is_found_beyond_a_short_neighbour() -> None:
    entries = [At(0, 100, DownFault("a")), At(1, 1, DownFault("b")), At(50, 1, DownFault("a"))]
    with pytest.raises(ValueError, match=r"on a at 50\.0 s"):
        expand(entries, time_scale=1.0)


@pytest.mark.parametrize(
    ("at_s", "for_s"),
    [(-1, 1), (0, 0), (0, -1), (math.nan, 1), (0, math.nan), (math.inf, 1), (0, math.inf)],
)
def test_a_time_that_cannot_be_is_refused(at_s: float, for_s: float) -> None:
    with pytest.raises(ValueError, match="a fault begins at 0 or later and lasts"):
        At(at_s, for_s, DownFault("a"))


def test_a_fault_scaled_to_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"down on a .*less than a microsecond"):
        expand([At(10, 1, DownFault("a"))], time_scale=1e-7)


def test_nothing_planned_is_nothing_played() -> None:
    assert expand([], time_scale=1.0) == []
    assert expand([At(1, 2, DownFault("a"))], time_scale=0.5) == [Planned(0.5, 1.5, DownFault("a"))]


def _near(one_s: float, other_s: float) -> bool:
    return abs(one_s - other_s) <= 1e-6
