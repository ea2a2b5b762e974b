"""Jitter: drawn by us, the same for the same seed, within its spread, and put on a real proxy step by step."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.faults.fault import Drawn
from chaos.faults.links.jitter import JitterFault
from chaos.faults.links.latency import LatencyFault
from chaos.faults.links.toxiproxy import ToxiproxyLink
from chaos.observed import Observed, State
from chaos.targets import Targets
from harness.errors import InjectionFailed
from tests.chaos.fakes import FakeLink
from tests.chaos.rounds import injected

spreads = st.floats(0.002, 3600).flatmap(lambda rtt_s: st.tuples(st.just(rtt_s), st.floats(1e-6, min(rtt_s, 3600))))


def jitters(course: object) -> list[JitterFault]:
    assert isinstance(course, list)
    return [fault for _, fault in course]


@settings(max_examples=30)
@given(spreads, st.floats(0.1, 10_000), st.integers())
def test_every_draw_is_within_the_spread_in_order_and_the_same_for_the_same_seed(
    spread: tuple[float, float], for_s: float, seed: int
) -> None:
    fault = JitterFault("h", *spread)
    course = fault.course(for_s, random.Random(seed))
    assert course == fault.course(for_s, random.Random(seed))
    offsets = [offset_s for offset_s, _ in course]
    assert offsets == sorted(set(offsets))
    assert all(0 < offset_s < for_s for offset_s in offsets)
    assert len(course) <= 600
    for drawn in jitters(course):
        assert fault.rtt_s - fault.spread_s <= drawn.added_s <= fault.rtt_s + fault.spread_s
        assert (drawn.target, drawn.rtt_s, drawn.spread_s) == (fault.target, fault.rtt_s, fault.spread_s)


def test_it_changes_every_half_second_and_more_slowly_when_it_lasts_long() -> None:
    fault = JitterFault("h", 0.1, 0.05)
    assert [offset_s for offset_s, _ in fault.course(2.0, random.Random(1))] == [0.5, 1.0, 1.5]
    assert [offset_s for offset_s, _ in fault.course(0.5, random.Random(1))] == []
    long = fault.course(3600.0, random.Random(1))
    assert (len(long), long[0][0]) == (599, 6.0)
    assert len({drawn.added_s for drawn in jitters(long)}) > 500


@pytest.mark.parametrize(
    ("rtt_s", "spread_s", "rule"),
    [
        (0.1, 0.0, "spread_s = "),
        (0.1, -0.1, "spread_s = "),
        (0.1, 0.2, "spread_s = "),
        (0.1, math.nan, "_s = "),
        (-1.0, 0.1, "rtt_s = "),
        (7000.0, 300.0, "rtt_s = "),
    ],
)
def test_a_spread_that_no_proxy_could_give_is_refused(rtt_s: float, spread_s: float, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        JitterFault("h", rtt_s, spread_s)


def test_what_was_drawn_must_be_within_the_spread() -> None:
    assert JitterFault("h", 0.1, 0.1, 0.0).added_s == 0.0
    with pytest.raises(ValueError, match=r"drawn_s = 0\.3: must be from 0\.0 to 0\.2"):
        JitterFault("h", 0.1, 0.1, 0.3)


def test_it_says_that_it_is_drawn_and_what_was() -> None:
    fault: object = JitterFault("h", 0.1, 0.05)
    assert isinstance(fault, Drawn)
    assert not isinstance(LatencyFault("h", 0.1), Drawn)
    assert JitterFault("h", 0.1, 0.05).describe() == {"rtt_s": 0.1, "spread_s": 0.05}
    assert JitterFault("h", 0.1, 0.05, 0.12).describe() == {"rtt_s": 0.1, "spread_s": 0.05, "drawn_s": 0.12}


def test_a_delay_that_shrinks_while_a_canary_is_on_its_way_is_not_missed() -> None:
    link = FakeLink("h")
    aimed = JitterFault("h", 0.2, 0.1).aim(Targets(links={"h": link}), "f1")
    aimed.inject()
    before = Observed(State.ANSWERED, 0.0)
    aimed.observe()
    assert aimed.missing(before, Observed(State.ANSWERED, 0.15)) is not None
    aimed.adjust(JitterFault("h", 0.2, 0.1, 0.1))
    aimed.observe()
    assert aimed.missing(before, Observed(State.ANSWERED, 0.15)) is None


def test_it_changes_on_a_real_proxy(hops: Mapping[str, ToxiproxyLink]) -> None:
    fault = JitterFault("redis", 0.1, 0.1)
    targets = Targets(links=hops)
    with injected(fault, targets):
        pass
    aimed = fault.aim(targets, "f1")
    aimed.inject()
    for _, drawn in fault.course(1.6, random.Random(7)):
        assert isinstance(drawn, JitterFault)
        aimed.adjust(drawn)
        found = [attributes["latency_s"] for _, _, attributes in hops["redis"].state().toxics.values()]
        assert found == [round(drawn.added_s * 500) / 1000] * 2
    with pytest.raises(InjectionFailed, match="jitter on redis cannot become latency"):
        aimed.adjust(LatencyFault("redis", 0.1))
