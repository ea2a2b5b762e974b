"""Latency and down: what they do to a link, what a canary must feel, and an undoing that leaves the link whole."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.direction import streams
from chaos.faults.fault import Aimed, Fault
from chaos.faults.links.down import DownFault
from chaos.faults.links.hop import claims
from chaos.faults.links.latency import LatencyFault
from chaos.faults.links.toxiproxy import ToxiproxyLink
from chaos.observed import Observed, State
from chaos.targets import LinkState, Targets
from harness.errors import InjectionFailed, Unsupported
from tests.chaos.fakes import FakeLink
from tests.chaos.rounds import injected

BEFORE = Observed(State.ANSWERED, 0.010)
FAULTS: list[Fault] = [LatencyFault("h", 0.2), DownFault("h")]
PROTOCOLS = ["redis", "postgres", "http"]
RTT_S = 0.2


def aimed(fault: Fault, link: FakeLink | None = None) -> Aimed:
    return fault.aim(Targets(links={"h": link or FakeLink("h")}), "f1")


@pytest.mark.parametrize("rtt_s", [-1.0, 0.0, 0.001, 0.0019, 7200.1, math.inf, math.nan])
def test_a_round_trip_that_no_proxy_could_add_is_refused(rtt_s: float) -> None:
    with pytest.raises(ValueError, match="rtt_s = "):
        LatencyFault("h", rtt_s)


@given(st.floats(0.002, 7200))
def test_the_round_trip_is_split_over_both_directions(rtt_s: float) -> None:
    link = FakeLink("h")
    aimed(LatencyFault("h", rtt_s), link).inject()
    assert sorted(t.stream for t in link.toxics.values()) == ["downstream", "upstream"]
    assert math.isclose(sum(t.attributes["latency_s"] for t in link.toxics.values()), rtt_s)
    assert all(name.startswith("f1") for name in link.toxics)


@given(st.floats(0.002, 10), st.floats(0, 10), st.floats(0, 20))
def test_latency_is_felt_when_most_of_it_was_added(rtt_s: float, before_s: float, now_s: float) -> None:
    on_link = aimed(LatencyFault("h", rtt_s))
    before, now = Observed(State.ANSWERED, before_s), Observed(State.ANSWERED, now_s)
    felt = now_s - before_s >= 0.8 * rtt_s
    assert (on_link.missing(before, now) is None) == felt
    assert (on_link.remaining(before, now) is None) != felt


@pytest.mark.parametrize(
    ("seen", "felt"),
    [(State.HUNG, True), (State.REFUSED, False), (State.CLOSED, False), (State.RESET, False), (State.ANSWERED, True)],
)
def test_latency_is_felt_as_delay_and_as_nothing_else(seen: State, *, felt: bool) -> None:
    missing = aimed(LatencyFault("h", 0.2)).missing(BEFORE, Observed(seen, 1.0))
    assert (missing is None) == felt
    assert felt or str(seen) in str(missing)


@pytest.mark.parametrize(
    ("seen", "felt"),
    [(State.REFUSED, True), (State.CLOSED, True), (State.RESET, True), (State.HUNG, False), (State.ANSWERED, False)],
)
def test_down_is_felt_as_an_ended_connection_and_not_as_silence(seen: State, *, felt: bool) -> None:
    missing = aimed(DownFault("h")).missing(BEFORE, Observed(seen, 0.01))
    assert (missing is None) == felt
    assert felt or str(seen) in str(missing)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
@pytest.mark.parametrize("seen", [State.HUNG, State.REFUSED, State.CLOSED, State.RESET])
def test_on_a_link_that_was_not_whole_nothing_is_felt_and_nothing_healed(fault: Fault, seen: State) -> None:
    before = Observed(seen, 0.01)
    on_link = aimed(fault)
    for now in (Observed(State.HUNG, 5.0), Observed(State.REFUSED, 0.01), Observed(State.ANSWERED, 5.0)):
        assert "not whole before" in str(on_link.missing(before, now))
        assert on_link.remaining(before, now)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
def test_what_undoes_it_is_known_before_anything_is_changed(fault: Fault) -> None:
    link = FakeLink("h")
    steps = aimed(fault, link).undo()
    assert steps
    assert link.whole
    assert all(step.args["proxy"] == "h" for step in steps)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
def test_a_hop_that_is_not_there_is_named(fault: Fault) -> None:
    with pytest.raises(Unsupported, match=f"{fault.kind} on h: no such hop here; there are: other"):
        fault.aim(Targets(links={"other": FakeLink("other")}), "f1")


def test_a_latency_can_be_changed_while_it_lasts_and_then_more_of_it_is_looked_for() -> None:
    link = FakeLink("h")
    on_link = LatencyFault("h", 0.2).aim(Targets(links={"h": link}), "f1")
    on_link.inject()
    on_link.adjust(LatencyFault("h", 1.0))
    assert [toxic.attributes["latency_s"] for toxic in link.toxics.values()] == [0.5, 0.5]
    on_link.observe()
    assert on_link.missing(BEFORE, Observed(State.ANSWERED, 0.5)) is not None
    with pytest.raises(InjectionFailed, match="latency on h cannot become down"):
        on_link.adjust(DownFault("h"))


def test_a_whole_hop_is_claimed_by_claiming_all_its_parts() -> None:
    assert claims("h") > claims("h", "delay")
    assert not claims("h", "delay") & claims("h", "rate")
    assert not claims("h") & claims("other")


def test_a_direction_is_one_stream_or_both() -> None:
    assert streams("both") == (*streams("upstream"), *streams("downstream"))
    with pytest.raises(ValueError, match="direction = 'up': must be one of upstream, downstream, both"):
        streams("up")  # type: ignore[arg-type] # what a file may hold


def test_a_link_is_whole_only_when_it_listens_and_has_no_toxic() -> None:
    toxic = {"latency_up": ("latency", "upstream", {"latency_s": 0.1})}
    states = [LinkState(True, {}), LinkState(False, {}), LinkState(True, toxic), LinkState(False, toxic)]
    assert [state.whole for state in states] == [True, False, False, False]


# On real proxies


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_latency_is_felt_and_gone_after_its_undoing(protocol: str, hops: Mapping[str, ToxiproxyLink]) -> None:
    with injected(LatencyFault(protocol, RTT_S), Targets(links=hops)) as (_, before):
        during = hops[protocol].observe()
        assert during.state is State.ANSWERED
        assert during.took_s - before.took_s + 0.02 >= RTT_S
        latencies = [attributes for _, _, attributes in hops[protocol].state().toxics.values()]
        assert latencies == [{"latency_s": RTT_S / 2, "jitter_s": 0.0}] * 2
    assert hops[protocol].state().whole


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_down_refuses_and_is_gone_after_its_undoing(protocol: str, hops: Mapping[str, ToxiproxyLink]) -> None:
    with injected(DownFault(protocol), Targets(links=hops)):
        assert hops[protocol].observe().state is State.REFUSED
        assert not hops[protocol].state().enabled
    assert hops[protocol].state().whole
