"""Connections that are there: each fault proved on one opened before it, over every protocol, on real proxies."""

from __future__ import annotations

import contextlib
import math
import socket
from collections.abc import Iterator, Mapping

import pytest

from chaos.direction import Direction, Stream
from chaos.faults.fault import Prepared
from chaos.faults.links.cutting import BlackholeFault, HalfOpenFault, RstLiveFault
from chaos.faults.links.down import DownFault
from chaos.faults.links.toxics import ResetPeer
from chaos.faults.links.toxiproxy import ToxiproxyLink
from chaos.healing.actions import ACTIONS
from chaos.observed import Observed, State
from chaos.targets import Targets
from chaos.undo import undo
from harness.errors import InjectionFailed
from tests.chaos.fakes import FakeLink
from tests.chaos.past_the_driver import take
from tests.chaos.rounds import as_from_the_ledger, injected

PROTOCOLS = ["redis", "postgres", "http"]
DIRECTIONS: list[Stream] = ["upstream", "downstream"]
LIMIT_S = 5.0

Hops = Mapping[str, ToxiproxyLink]


@contextlib.contextmanager
def prepared(fault: RstLiveFault, targets: Targets) -> Iterator[None]:
    preparation = fault.prepare(targets)
    steps = as_from_the_ledger(preparation.undo())
    preparation.arm()
    try:
        yield
    finally:
        undo(steps, ACTIONS)


def live(link: ToxiproxyLink) -> socket.socket:
    """Return a connection through a hop to Redis that was served once."""
    connection = socket.create_connection((link.canary.host, link.canary.port), timeout=LIMIT_S)
    connection.sendall(b"PING\r\n")
    assert take(connection, 7) == b"+PONG\r\n"
    return connection


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_live_connections_are_reset_and_the_hop_is_whole_after(protocol: str, hops: Hops) -> None:
    fault, targets = RstLiveFault(protocol), Targets(links=hops)
    with prepared(fault, targets):
        with injected(fault, targets) as (aimed, _):
            assert aimed.observe() == Observed(
                State.RESET, aimed.observe().took_s, "a connection from before the fault"
            )
            assert hops[protocol].observe().state is State.REFUSED
        assert list(hops[protocol].state().toxics) == ["armed_rst"]
    assert hops[protocol].state().whole


def test_idle_connections_are_reset_too_but_not_what_was_there_before_the_preparation(hops: Hops) -> None:
    fault, targets = RstLiveFault("redis"), Targets(links=hops)
    with (
        live(hops["redis"]) as unprepared,
        prepared(fault, targets),
        live(hops["redis"]) as idle,
        injected(fault, targets),
    ):
        with pytest.raises(ConnectionResetError):
            idle.recv(1)
        assert unprepared.recv(1) == b""


def test_without_its_preparation_nothing_is_broken(hops: Hops) -> None:
    aimed = RstLiveFault("redis").aim(Targets(links=hops), "f1")
    aimed.observe()
    with pytest.raises(InjectionFailed, match="rst_live on redis: its proxy was not prepared for it"):
        aimed.inject()
    assert hops["redis"].state().whole
    aimed.remaining(Observed(State.ANSWERED), Observed(State.ANSWERED))


def test_a_connection_that_ends_in_order_is_no_reset(hops: Hops) -> None:
    fault, targets = RstLiveFault("redis"), Targets(links=hops)
    aimed = fault.aim(targets, "f1")
    before = aimed.observe()
    # Prepared too late for the canary's connection.
    with prepared(fault, targets):
        aimed.inject()
        remains = aimed.missing(before, aimed.observe())
        undo(aimed.undo(), ACTIONS)
        assert aimed.remaining(before, aimed.observe()) is None
    assert "reset the connections, but the canary was closed" in str(remains)


def test_arming_twice_is_harmless_and_says_what_takes_it_away() -> None:
    link = FakeLink("h")
    fault: object = RstLiveFault("h")
    assert isinstance(fault, Prepared)
    assert not isinstance(DownFault("h"), Prepared)
    preparation = fault.prepare(Targets(links={"h": link}))
    assert [step.args["toxic"] for step in preparation.undo()] == ["armed_rst"]
    assert link.whole
    preparation.arm()
    preparation.arm()
    assert link.toxics == {"armed_rst": ResetPeer(toxicity=0)}


@pytest.mark.parametrize(
    ("protocol", "direction"), [("redis", "both"), ("postgres", "upstream"), ("http", "downstream")]
)
def test_an_established_connection_hangs_and_a_new_one_as_well(protocol: str, direction: Direction, hops: Hops) -> None:
    with injected(BlackholeFault(protocol, direction), Targets(links=hops)):
        assert {kind for kind, _, _ in hops[protocol].state().toxics.values()} == {"timeout"}
        # An HTTP service that was asked to end the connection does, and its end comes through.
        assert hops[protocol].observe().state is (State.CLOSED if protocol == "http" else State.HUNG)
    assert hops[protocol].state().whole


def test_what_is_dropped_upstream_never_comes_and_what_is_dropped_downstream_was_heard(hops: Hops) -> None:
    targets = Targets(links=hops)
    for direction, heard in (("upstream", False), ("downstream", True)):
        with live(hops["redis"]) as connection:
            aimed = BlackholeFault("redis", direction).aim(targets, "f1")  # type: ignore[arg-type] # of the tuple
            aimed.inject()
            connection.sendall(f"SET {direction} 1\r\nPING\r\n".encode())
            connection.settimeout(0.1)
            with pytest.raises(TimeoutError):
                connection.recv(1)
            undo(aimed.undo(), ACTIONS)
        with live(hops["redis"]) as connection:
            connection.sendall(f"EXISTS {direction}\r\n".encode())
            assert take(connection, 4) == (b":1\r\n" if heard else b":0\r\n")


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_half_open_connection_hangs_until_its_silence_is_over(protocol: str, direction: Stream, hops: Hops) -> None:
    with injected(HalfOpenFault(protocol, 0.3, direction), Targets(links=hops)) as (aimed, _):
        fate = aimed.observe()
        assert fate.state in {State.CLOSED, State.RESET}
        assert fate.took_s >= 0.3
    assert hops[protocol].state().whole


def test_heartbeats_keep_a_half_open_connection_while_a_silent_one_is_ended(hops: Hops) -> None:
    with live(hops["redis"]) as beating, live(hops["redis"]) as silent:
        aimed = HalfOpenFault("redis", 0.4).aim(Targets(links=hops), "f1")
        aimed.inject()
        silent.settimeout(0.1)
        for _ in range(50):
            beating.sendall(b"PING\r\n")
            with contextlib.suppress(TimeoutError):
                assert silent.recv(1) == b""
                break
        else:
            pytest.fail("the silent one was not ended")
        beating.settimeout(0.1)
        with pytest.raises(TimeoutError):
            beating.recv(1)
        undo(aimed.undo(), ACTIONS)


@pytest.mark.parametrize(
    ("now", "felt"),
    [
        (Observed(State.HUNG, 1.0), True),
        (Observed(State.CLOSED, 0.3), True),
        (Observed(State.RESET, 0.3), True),
        (Observed(State.CLOSED, 0.1), False),
        (Observed(State.ANSWERED, 0.3), False),
        (Observed(State.REFUSED, 0.3), False),
    ],
    ids=str,
)
def test_half_open_is_felt_as_silence_and_as_an_end_no_sooner(now: Observed, *, felt: bool) -> None:
    aimed = HalfOpenFault("h", 0.3).aim(Targets(links={"h": FakeLink("h")}), "f1")
    assert (aimed.missing(Observed(State.ANSWERED), now) is None) == felt
    assert "not whole before" in str(aimed.missing(Observed(State.CLOSED), now))


def test_a_blackhole_is_felt_as_silence_alone() -> None:
    aimed = BlackholeFault("h").aim(Targets(links={"h": FakeLink("h")}), "f1")
    felt = {seen for seen in State if aimed.missing(Observed(State.ANSWERED), Observed(seen)) is None}
    assert felt == {State.HUNG}


def test_a_fault_that_has_no_effect_is_found_out_by_the_connection_that_still_answers(hops: Hops) -> None:
    aimed = BlackholeFault("redis").aim(Targets(links=hops), "f1")
    before = aimed.observe()
    aimed.inject()
    undo(aimed.undo(), ACTIONS)
    assert "dropped all data, but the canary was answered" in str(aimed.missing(before, aimed.observe()))
    assert aimed.remaining(before, aimed.observe()) is None


@pytest.mark.parametrize("silence_s", [-1, 0, 0.0009, 3601, math.nan])
def test_a_silence_out_of_range_is_refused(silence_s: float) -> None:
    with pytest.raises(ValueError, match="silence_s = "):
        HalfOpenFault("h", silence_s)


def test_half_open_has_one_direction() -> None:
    with pytest.raises(ValueError, match="direction = 'both'"):
        HalfOpenFault("h", 1, "both")  # type: ignore[arg-type] # what a file may hold
