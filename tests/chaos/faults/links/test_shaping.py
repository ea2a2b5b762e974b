"""Rates and pieces: seen on real proxies over every protocol, and refused where no canary could see them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.canary.canary import Carried
from chaos.direction import Stream
from chaos.faults.fault import Fault
from chaos.faults.links.down import DownFault
from chaos.faults.links.latency import LatencyFault
from chaos.faults.links.shaping import BandwidthFault, SlicerFault
from chaos.faults.links.toxiproxy import ToxiproxyLink
from chaos.observed import Observed, State
from chaos.targets import Targets
from harness.errors import InjectionFailed, Unsupported
from tests.chaos.fakes import FakeLink
from tests.chaos.rounds import injected

PROTOCOLS = ["redis", "postgres", "http"]
DIRECTIONS: list[Stream] = ["upstream", "downstream"]
RATE = 50_000
BEFORE = Observed(State.ANSWERED, 0.01, "", 0.3)

Hops = Mapping[str, ToxiproxyLink]


def amounts(link: ToxiproxyLink) -> list[tuple[str, Mapping[str, float]]]:
    return [(stream, attributes) for _, stream, attributes in link.state().toxics.values()]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_rate_is_seen_and_gone_after_its_undoing(protocol: str, direction: Stream, hops: Hops) -> None:
    with injected(BandwidthFault(protocol, RATE, direction), Targets(links=hops)):
        assert amounts(hops[protocol]) == [(direction, {"bytes_per_s": RATE})]
        # What it carries, it carries at that rate.
        carried = hops[protocol].canary.carry(direction, 8_000)
        moved = carried.sent_bytes if direction == "upstream" else carried.came_bytes
        assert carried.took_s > 0.8 * moved / RATE
    assert hops[protocol].state().whole


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_pieces_are_seen_and_gone_after_their_undoing(protocol: str, direction: Stream, hops: Hops) -> None:
    with injected(SlicerFault(protocol, 100, 0.004, direction), Targets(links=hops)):
        attributes = {"size_bytes": 100, "variation_bytes": 0, "delay_s": 0.004}
        assert amounts(hops[protocol]) == [(direction, attributes)]
    assert hops[protocol].state().whole


@pytest.mark.parametrize(
    "fault", [BandwidthFault("postgres", 50_000, "both"), SlicerFault("redis", 200, 0.005, "both")]
)
def test_in_both_directions_each_must_be_seen(fault: BandwidthFault | SlicerFault, hops: Hops) -> None:
    link = hops[fault.target]
    with injected(fault, Targets(links=hops)) as (aimed, before):
        assert {stream for stream, _ in amounts(link)} == set(DIRECTIONS)
        for name, (_, stream, _) in link.state().toxics.items():
            if stream == "downstream":
                link.remove(name)
        assert "should have taken" in str(aimed.missing(before, aimed.observe()))


def test_a_rate_and_a_delay_on_one_hop_are_each_seen(hops: Hops) -> None:
    targets = Targets(links=hops)
    with (
        injected(LatencyFault("redis", 0.2), targets),
        injected(BandwidthFault("redis", 50_000), targets),
    ):
        assert len(hops["redis"].state().toxics) == 3
    assert hops["redis"].state().whole


def test_a_delay_alone_is_not_taken_for_a_rate(hops: Hops) -> None:
    aimed = BandwidthFault("redis", 50_000).aim(Targets(links=hops), "f1")
    before = aimed.observe()
    with injected(LatencyFault("redis", 0.4), Targets(links=hops)):
        assert aimed.missing(before, aimed.observe()) is not None


def test_a_rate_can_be_changed_while_it_lasts(hops: Hops) -> None:
    aimed = BandwidthFault("redis", 50_000).aim(Targets(links=hops), "f1")
    before = aimed.observe()
    aimed.inject()
    aimed.adjust(BandwidthFault("redis", 100_400))
    assert amounts(hops["redis"]) == [("downstream", {"bytes_per_s": 100_000})]
    assert aimed.missing(before, aimed.observe()) is None
    for other in (DownFault("redis"), BandwidthFault("redis", 1e5, "upstream")):
        with pytest.raises(InjectionFailed, match="bandwidth on redis cannot become "):
            aimed.adjust(other)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (BandwidthFault("http", 1e6), r"1000000 bytes/s downstream .* sees up to \d+ bytes/s there, over http"),
        (BandwidthFault("postgres", 1e5, "upstream"), r"100000 bytes/s upstream .* 60000 bytes/s there, over postgres"),
        (BandwidthFault("redis", 1e7, "both"), r"10000000 bytes/s upstream .* over redis"),
        (SlicerFault("postgres", 4096, 0.1), r"pieces of 4096 bytes downstream .* sees up to 2250 bytes there"),
        (SlicerFault("postgres", 250, 0.001), r"pieces of 250 bytes downstream .* sees up to 120 bytes there"),
    ],
    ids=lambda value: value.kind if hasattr(value, "kind") else "",
)
def test_what_no_canary_could_see_is_refused_with_the_reason(fault: Fault, reason: str, hops: Hops) -> None:
    with pytest.raises(Unsupported, match=f"{fault.kind} on {fault.target}: {reason}"):
        fault.aim(Targets(links=hops), "f1")
    assert hops[fault.target].state().whole


@pytest.mark.parametrize("bytes_per_s", [0, -1, 999, 1e13, math.nan])
def test_a_rate_out_of_range_is_refused(bytes_per_s: float) -> None:
    with pytest.raises(ValueError, match="bytes_per_s = "):
        BandwidthFault("h", bytes_per_s)


@pytest.mark.parametrize(
    ("size_bytes", "delay_s", "key"), [(0, 0.1, "size"), (100, 0.0009, "delay"), (100, 2, "delay")]
)
def test_pieces_out_of_range_are_refused(size_bytes: int, delay_s: float, key: str) -> None:
    with pytest.raises(ValueError, match=f"{key}_\\w+ = "):
        SlicerFault("h", size_bytes, delay_s)


@given(st.floats(0, 2), st.floats(0, 3), st.floats(0.05, 2))
def test_most_of_the_seconds_must_be_there(before_s: float, now_s: float, longer_s: float) -> None:
    aimed = BandwidthFault("h", 50_000).aim(Targets(links={"h": FakeLink("h")}), "f1")
    before, now = Observed(State.ANSWERED, before_s, "", longer_s), Observed(State.ANSWERED, now_s, "", longer_s)
    changed = now_s - before_s >= 0.5 * longer_s
    assert (aimed.missing(before, now) is None) == (changed and now_s >= 0.8 * longer_s)
    assert (aimed.remaining(before, now) is None) != changed


@pytest.mark.parametrize(("seen", "felt"), [(seen, seen is State.HUNG) for seen in State if seen is not State.ANSWERED])
def test_nothing_but_slowness_is_taken_for_it(seen: State, *, felt: bool) -> None:
    for fault in (BandwidthFault("h", 50_000), SlicerFault("h", 100, 0.01)):
        aimed = fault.aim(Targets(links={"h": FakeLink("h")}), "f1")
        assert (aimed.missing(BEFORE, Observed(seen, 1.0)) is None) == felt
        assert "not whole before" in str(aimed.missing(Observed(seen, 1.0), Observed(State.HUNG, 1.0)))


@given(st.integers(1, 20_000), st.integers(1, 1 << 20))
def test_pieces_are_never_larger_than_asked_for(size_bytes: int, whole_bytes: int) -> None:
    pieces = SlicerFault("h", size_bytes, 0.01).pieces(whole_bytes)
    assert (pieces - 1) * size_bytes < whole_bytes <= pieces * size_bytes


def test_an_answer_as_late_as_it_should_be_but_in_one_piece_is_not_sliced(monkeypatch: pytest.MonkeyPatch) -> None:
    link = FakeLink("h")

    def carry(_canary: object, _stream: Stream, size_bytes: int) -> Carried:
        return Carried(State.ANSWERED, 9.0, 10, size_bytes, pieces=1)

    monkeypatch.setattr("chaos.canary.canary.Canary.carry", carry)
    aimed = SlicerFault("h", 100, 0.01).aim(Targets(links={"h": link}), "f1")
    assert "cut into pieces of 100 bytes" in str(aimed.missing(BEFORE, aimed.observe()))
