"""Swizzles: every link is cut once and back in time, all are cut at once, and the orders are the seed's."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.faults.links.down import DownFault
from chaos.profile.swizzle import Swizzle
from chaos.profile.timeline import At, expand

HOPS = tuple("abcdef")
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def swizzles(draw: st.DrawFn) -> Swizzle:
    hops = tuple(draw(st.permutations(HOPS))[: draw(st.integers(2, len(HOPS)))])
    for_s = draw(st.integers(1, 600)) / 10
    gap_s = for_s / (2 * (len(hops) - 1)) * draw(st.integers(1, 99)) / 100
    return Swizzle(draw(st.integers(0, 600)) / 10, for_s, hops, gap_s)


@settings(deadline=None, max_examples=50)
@given(swizzles(), SEEDS)
def test_every_hop_is_cut_once_and_back_in_time(swizzle: Swizzle, seed: int) -> None:
    planned = expand([swizzle], seed=seed)
    assert sorted(p.fault.target for p in planned) == sorted(swizzle.hops)
    assert all(p.fault == DownFault(p.fault.target) and not p.course for p in planned)
    ends_s = swizzle.at_s + swizzle.for_s
    assert planned[0].inject_s == pytest.approx(swizzle.at_s, abs=1e-6)
    assert max(p.heal_s for p in planned) == pytest.approx(ends_s, abs=1e-6)
    assert all(swizzle.at_s - 1e-6 <= p.inject_s < p.heal_s <= ends_s + 1e-6 for p in planned)


@settings(deadline=None, max_examples=50)
@given(swizzles(), SEEDS)
def test_one_goes_after_another_until_all_are_gone_and_comes_back_after_another(swizzle: Swizzle, seed: int) -> None:
    planned = expand([swizzle], seed=seed)
    cuts_s, returns_s = sorted(p.inject_s for p in planned), sorted(p.heal_s for p in planned)
    assert cuts_s[-1] < returns_s[0]
    for times_s in (cuts_s, returns_s):
        gaps_s = [other - one for one, other in pairwise(times_s)]
        assert all(swizzle.gap_s / 2 - 2e-6 <= gap_s <= swizzle.gap_s + 2e-6 for gap_s in gaps_s)


def test_all_orders_come_and_the_way_back_is_not_the_way_there() -> None:
    swizzle = Swizzle(0.0, 10.0, ("a", "b", "c"))
    seen = set()
    for seed in range(400):
        planned = expand([swizzle], seed=seed)
        order = "".join(p.fault.target for p in planned)
        back = "".join(p.fault.target for p in sorted(planned, key=lambda p: p.heal_s))
        seen.add((order, back))
    assert len(seen) == 6 * 6


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_a_hop_that_another_fault_may_meet_is_refused_whatever_the_seed(seed: int) -> None:
    with pytest.raises(ValueError, match="two faults on hop a"):
        expand([Swizzle(0.0, 10.0, ("a", "b")), At(9.9, 1.0, DownFault("a"))], seed=seed)


@pytest.mark.parametrize(
    ("hops", "gap_s", "rule"),
    [
        ((), 1.0, r"hops = \[\]: must be two hops or more, each once"),
        (("a",), 1.0, "must be two hops or more"),
        (("a", "a"), 1.0, "each once"),
        (("a", "b"), 5.0, r"gap_s = 5.0: must be above 0 and below 5 s, so that all 2 are cut at once"),
        (("a", "b"), 0.0, "gap_s = 0.0: must be above 0"),
        (("a", "b"), float("nan"), "gap_s = nan"),
    ],
)
def test_a_swizzle_that_cannot_be_is_refused(hops: tuple[str, ...], gap_s: float, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Swizzle(0.0, 10.0, hops, gap_s)
