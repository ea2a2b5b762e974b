"""Ends of connections: late, or after so many bytes, seen on real proxies over every protocol."""

from __future__ import annotations

import math
import socket
from collections.abc import Mapping

import pytest

from chaos.direction import Direction, Stream
from chaos.faults.links.endings import LimitDataFault, SlowCloseFault
from chaos.faults.links.toxiproxy import ToxiproxyLink
from chaos.observed import Observed, State
from chaos.targets import Targets
from harness.errors import Unsupported
from tests.chaos.fakes import FakeLink
from tests.chaos.past_the_driver import take
from tests.chaos.rounds import injected

PROTOCOLS = ["redis", "postgres", "http"]
DIRECTIONS: list[Stream] = ["upstream", "downstream"]
DELAY_S = 0.2

Hops = Mapping[str, ToxiproxyLink]


@pytest.mark.parametrize("direction", [*DIRECTIONS, "both"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_late_end_is_seen_and_gone_after_its_undoing(protocol: str, direction: Direction, hops: Hops) -> None:
    with injected(SlowCloseFault(protocol, DELAY_S, direction), Targets(links=hops)) as (aimed, before):
        assert before.took_s < DELAY_S / 2
        ends = 2 if direction == "both" else 1
        assert aimed.observe().took_s >= ends * DELAY_S
    assert hops[protocol].state().whole


def test_of_two_late_ends_both_must_be_seen(hops: Hops) -> None:
    with injected(SlowCloseFault("redis", DELAY_S, "both"), Targets(links=hops)) as (aimed, before):
        hops["redis"].remove(next(iter(hops["redis"].state().toxics)))
        assert "should have taken 400 ms" in str(aimed.missing(before, aimed.observe()))


@pytest.mark.parametrize("limit_bytes", [0, 1000])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_limit_ends_connections_and_is_gone_after_its_undoing(
    protocol: str, direction: Stream, limit_bytes: int, hops: Hops
) -> None:
    with injected(LimitDataFault(protocol, limit_bytes, direction), Targets(links=hops)) as (aimed, _):
        during = aimed.observe()
        assert during.state in {State.CLOSED, State.RESET}
        assert during.amount == (0 if direction == "upstream" else limit_bytes)
    assert hops[protocol].state().whole


def test_a_limit_counts_from_its_injection(hops: Hops) -> None:
    canary = hops["redis"].canary
    with socket.create_connection((canary.host, canary.port), timeout=5.0) as link:
        link.sendall(b"PING\r\n" * 100)
        taken = 0
        while taken < 700:
            taken += len(link.recv(1024))
        with injected(LimitDataFault("redis", 20), Targets(links=hops)):
            link.sendall(b"PING\r\n" * 2)
            assert len(take(link, 14)) == 14
            link.sendall(b"PING\r\n")
            assert take(link, 14) == b"+PONG\r"


@pytest.mark.parametrize(
    ("fault", "most_bytes"),
    [(LimitDataFault("postgres", 7_000), 9_000), (LimitDataFault("redis", 250_000), 262_144)],
    ids=["postgres", "redis"],
)
def test_a_limit_that_no_canary_could_reach_is_refused(fault: LimitDataFault, most_bytes: int, hops: Hops) -> None:
    reason = f"a limit of {fault.limit_bytes} bytes downstream .* sees no more than {most_bytes} bytes there"
    with pytest.raises(Unsupported, match=reason):
        fault.aim(Targets(links=hops), "f1")


@pytest.mark.parametrize(
    ("now", "felt"),
    [
        (Observed(State.CLOSED, amount=1000), True),
        (Observed(State.RESET, amount=10), True),
        (Observed(State.CLOSED, amount=1001), False),
        (Observed(State.ANSWERED, amount=1000), False),
        (Observed(State.HUNG, amount=0), False),
        (Observed(State.REFUSED), False),
    ],
    ids=str,
)
def test_a_limit_is_felt_as_an_end_at_the_limit(now: Observed, *, felt: bool) -> None:
    aimed = LimitDataFault("h", 1000).aim(Targets(links={"h": FakeLink("h")}), "f1")
    assert (aimed.missing(Observed(State.ANSWERED, amount=1500), now) is None) == felt
    assert "shows nothing of a limit" in str(aimed.missing(Observed(State.ANSWERED, amount=1000), now))
    assert "not whole before" in str(aimed.missing(Observed(State.CLOSED, amount=1500), now))
    assert (aimed.remaining(Observed(State.ANSWERED), now) is None) == (now.state is State.ANSWERED)


@pytest.mark.parametrize("delay_s", [0, -1, 0.0009, 3601, math.nan])
def test_a_delay_out_of_range_is_refused(delay_s: float) -> None:
    with pytest.raises(ValueError, match="delay_s = "):
        SlowCloseFault("h", delay_s)


def test_a_limit_has_one_direction() -> None:
    with pytest.raises(ValueError, match="direction = 'both'"):
        LimitDataFault("h", 1, "both")  # type: ignore[arg-type] # what a file may hold
    with pytest.raises(ValueError, match="limit_bytes = -1: must be"):
        LimitDataFault("h", -1)
