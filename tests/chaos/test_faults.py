"""Faults: what they do to a link, what a canary must feel, and an undoing that always leaves the link whole."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.canary import Seen, Sight
from chaos.faults import DownFault, Fault, LatencyFault, LinkState
from chaos.toxics import Latency
from tests.chaos.fakes import FakeLink

BEFORE = Sight(Seen.ANSWERED, 0.010)
FAULTS: list[Fault] = [LatencyFault("h", 0.2), DownFault("h")]


@pytest.mark.parametrize("rtt_s", [-1.0, 0.0, 0.001, 0.0019, 7200.1, math.inf, math.nan])
def test_a_round_trip_that_no_proxy_could_add_is_refused(rtt_s: float) -> None:
    with pytest.raises(ValueError, match=r"(rtt|latency)_s = "):
        LatencyFault("h", rtt_s)


@given(st.floats(0.002, 7200))
def test_the_round_trip_is_split_over_both_directions(rtt_s: float) -> None:
    link = FakeLink("h")
    LatencyFault("h", rtt_s).inject(link)
    assert sorted(t.stream for t in link.toxics.values()) == ["downstream", "upstream"]
    assert math.isclose(sum(t.attributes["latency_s"] for t in link.toxics.values()), rtt_s)


@given(st.floats(0.002, 10), st.floats(0, 10), st.floats(0, 20))
def test_latency_is_felt_when_most_of_it_was_added(rtt_s: float, before_s: float, now_s: float) -> None:
    doubt = LatencyFault("h", rtt_s).doubt(Sight(Seen.ANSWERED, before_s), Sight(Seen.ANSWERED, now_s))
    assert (doubt is None) == (now_s - before_s >= 0.8 * rtt_s)


@pytest.mark.parametrize(
    ("seen", "felt"),
    [(Seen.HUNG, True), (Seen.REFUSED, False), (Seen.CLOSED, False), (Seen.RESET, False), (Seen.ANSWERED, True)],
)
def test_latency_is_felt_as_delay_and_as_nothing_else(seen: Seen, *, felt: bool) -> None:
    doubt = LatencyFault("h", 0.2).doubt(BEFORE, Sight(seen, 1.0))
    assert (doubt is None) == felt
    assert felt or str(seen) in str(doubt)


@pytest.mark.parametrize(
    ("seen", "felt"),
    [(Seen.REFUSED, True), (Seen.CLOSED, True), (Seen.RESET, True), (Seen.HUNG, False), (Seen.ANSWERED, False)],
)
def test_down_is_felt_as_an_ended_connection_and_not_as_silence(seen: Seen, *, felt: bool) -> None:
    doubt = DownFault("h").doubt(BEFORE, Sight(seen, 0.01))
    assert (doubt is None) == felt
    assert felt or str(seen) in str(doubt)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
def test_a_link_breaks_and_is_whole_again_however_often_it_is_undone(fault: Fault) -> None:
    link = FakeLink("h")
    fault.inject(link)
    assert not link.state().whole
    assert fault.doubt(BEFORE, link.look()) is None
    for _ in range(2):
        fault.undo(link)
        assert link.state().whole
        assert fault.doubt(BEFORE, link.look()) is not None


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
def test_undoing_is_harmless_on_a_link_that_was_never_broken(fault: Fault) -> None:
    link = FakeLink("h")
    fault.undo(link)
    assert link.state().whole


def test_a_half_made_latency_is_undone_too() -> None:
    link = FakeLink("h")
    link.add("latency_up", Latency(0.1, "upstream"))
    LatencyFault("h", 0.2).undo(link)
    assert link.state().whole


def test_a_link_is_whole_only_when_it_listens_and_has_no_toxic() -> None:
    toxic = {"latency_up": ("latency", "upstream", {"latency_s": 0.1})}
    states = [LinkState(True, {}), LinkState(False, {}), LinkState(True, toxic), LinkState(False, toxic)]
    assert [state.whole for state in states] == [True, False, False, False]


def test_a_fault_describes_itself_in_si_units() -> None:
    assert LatencyFault("h", 0.2).describe() == {"rtt_s": 0.2}
    assert DownFault("h").describe() == {}
