"""Packets of a real hop, really dropped: what a canary sees, what the kernel counted, and a hop that is whole again."""

from __future__ import annotations

import math
import socket
import subprocess
from collections.abc import Iterator

import pytest

from chaos.faults.fault import Aimed, Fault
from chaos.faults.links.down import DownFault
from chaos.faults.links.latency import LatencyFault
from chaos.faults.packets import nftables as firewall
from chaos.faults.packets.loss import PacketLossFault, PacketSight, SynDropFault
from chaos.faults.packets.partition import PartitionFault
from chaos.healing.actions import ACTIONS
from chaos.observed import Observed, State
from chaos.targets import Targets
from chaos.undo import undo
from harness.errors import ChaosError, InjectionFailed, Unsupported
from tests.chaos.conftest import Toxiproxy
from tests.chaos.rounds import as_from_the_ledger, injected
from tests.chaos.wires import skip_without_firewall, wire

# The tables of the whole machine are looked at.
pytestmark = pytest.mark.apart("chaos/faults/packets")

BEFORE = PacketSight(State.ANSWERED, 0.001)


@pytest.fixture
def targets(server: Toxiproxy, redis_port: int) -> Targets:
    skip_without_firewall()
    return Targets(wires={"hop": wire(server.doors["redis"]), "other": wire(redis_port)})


@pytest.fixture
def connection(server: Toxiproxy) -> Iterator[socket.socket]:
    """Connect through the hop, before any fault."""
    with socket.create_connection(("127.0.0.1", server.doors["redis"]), timeout=2.0) as made:
        assert answered(made)
        yield made


def answered(connection: socket.socket) -> bool:
    connection.settimeout(0.3)
    connection.sendall(b"PING\r\n")
    try:
        return connection.recv(100) == b"+PONG\r\n"
    except TimeoutError:
        return False


def aim(fault: Fault, targets: Targets) -> Aimed:
    return fault.aim(targets, "1-test")


def test_a_dropped_attempt_hangs_and_a_connection_from_before_lives_on(
    targets: Targets, connection: socket.socket
) -> None:
    with injected(SynDropFault("hop"), targets) as (aimed, before):
        assert answered(connection)
        # The proof's own held connection has been let go of by now.
        now = aimed.observe()
        assert now.state is State.HUNG
        assert "packets dropped" in str(now)
        assert targets.wires["other"].canary.observe().state is State.ANSWERED
        assert "still there" in str(aimed.remaining(before, now))
    assert answered(connection)


def test_where_connections_from_before_are_cut_too_it_is_not_proved(targets: Targets) -> None:
    aimed = aim(SynDropFault("hop"), targets)
    before = aimed.observe()
    with injected(PartitionFault("hop", "downstream"), targets):
        aimed.inject()
        try:
            doubt = aimed.missing(before, aimed.observe())
        finally:
            undo(aimed.undo(), ACTIONS)
    assert "a connection from before does not go on" in str(doubt)


def test_a_loss_is_counted_and_answers_still_come(targets: Targets, connection: socket.socket) -> None:
    fault = PacketLossFault("hop", 0.3)
    with injected(fault, targets) as (aimed, _):
        assert aimed.observe().amount > 0
        assert any(answered(connection) for _ in range(20))
        assert targets.wires["other"].canary.observe().state is State.ANSWERED


@pytest.mark.parametrize("direction", ["upstream", "downstream"])
def test_a_small_loss_in_one_direction_is_found_by_looking_on(targets: Targets, direction: str) -> None:
    with injected(PacketLossFault("hop", 0.02, direction), targets) as (aimed, _):  # type: ignore[arg-type] # the cases
        assert aimed.undo()[0].action == "nft.delete"


def test_a_loss_changes_while_it_lasts(targets: Targets) -> None:
    with injected(PacketLossFault("hop", 0.5), targets) as (aimed, before):
        aimed.adjust(PacketLossFault("hop", 0.9999))  # type: ignore[attr-defined] # a loss is Adjustable
        assert "9999" in firewall_text()
        assert aimed.missing(before, aimed.observe()) is None
        with pytest.raises(InjectionFailed, match="cannot become down"):
            aimed.adjust(DownFault("hop"))  # type: ignore[attr-defined] # as above
    with pytest.raises(InjectionFailed, match="No such file"):
        aimed.adjust(PacketLossFault("hop", 0.1))  # type: ignore[attr-defined] # as above


def firewall_text() -> str:
    return subprocess.check_output(["nft", "list", "ruleset"], text=True)


def test_a_hop_that_was_not_whole_before_proves_nothing(targets: Targets) -> None:
    for fault in (SynDropFault("hop"), PacketLossFault("hop", 0.5)):
        assert "not whole before" in str(aim(fault, targets).missing(Observed(State.REFUSED), PacketSight(State.HUNG)))


@pytest.mark.parametrize(
    ("fault", "now", "doubt"),
    [
        (SynDropFault("hop"), PacketSight(State.HUNG, 2.0, dropped=3, held=True), None),
        (SynDropFault("hop"), PacketSight(State.HUNG, 2.0, dropped=3, held=False), "from before does not go on"),
        (SynDropFault("hop"), PacketSight(State.HUNG, 2.0, dropped=3), "from before does not go on"),
        (SynDropFault("hop"), PacketSight(State.HUNG, 2.0, dropped=0, held=True), "no packet was dropped"),
        (SynDropFault("hop"), PacketSight(State.HUNG, 2.0, held=True), "no packet was dropped"),
        (SynDropFault("hop"), PacketSight(State.REFUSED, dropped=3, held=True), "the canary was refused"),
        (SynDropFault("hop"), PacketSight(State.ANSWERED, dropped=3, held=True), "the canary was answered"),
        (PacketLossFault("hop", 0.5), PacketSight(State.ANSWERED, dropped=1), None),
        (PacketLossFault("hop", 0.5), PacketSight(State.HUNG, dropped=1), None),
        (PacketLossFault("hop", 0.5), PacketSight(State.HUNG, dropped=0), "no packet was dropped"),
        (PacketLossFault("hop", 0.5), Observed(State.HUNG), "no packet was dropped"),
    ],
)
def test_only_dropped_packets_prove_it(targets: Targets, fault: Fault, now: Observed, doubt: str | None) -> None:
    said = aim(fault, targets).missing(BEFORE, now)
    assert (said is None) == (doubt is None)
    assert doubt is None or doubt in str(said)


def test_it_is_healed_when_its_rules_are_gone_and_a_canary_is_answered(targets: Targets) -> None:
    aimed = aim(PacketLossFault("hop", 0.5), targets)
    assert aimed.remaining(BEFORE, PacketSight(State.ANSWERED, 0.9)) is None
    assert "rules" in str(aimed.remaining(BEFORE, PacketSight(State.ANSWERED, dropped=0)))
    assert "hung" in str(aimed.remaining(BEFORE, PacketSight(State.HUNG)))


def test_an_injection_that_fails_leaves_nothing(targets: Targets) -> None:
    first, second = (aim(SynDropFault("hop"), targets) for _ in range(2))
    first.inject()
    try:
        with pytest.raises(InjectionFailed, match="File exists"):
            second.inject()
    finally:
        undo(as_from_the_ledger(first.undo()), ACTIONS)
    assert ACTIONS["nft.delete"].remaining(second.undo()[0].args) is None


def test_what_cannot_be_is_unsupported_with_its_reason(targets: Targets, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unsupported, match="no such hop here; there are: hop, other"):
        aim(SynDropFault("redis"), targets)
    monkeypatch.setattr(firewall, "unavailable", lambda _: "not on this planet")
    for fault in (SynDropFault("hop"), PacketLossFault("hop", 0.1), PartitionFault("hop")):
        with pytest.raises(Unsupported, match=rf"{fault.kind}: not on this planet"):
            aim(fault, targets)


@pytest.mark.parametrize("fraction", [-1.0, 0.0, 0.00009, 0.99999, 1.0, math.inf, math.nan])
def test_a_loss_of_nothing_or_of_everything_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="fraction = "):
        PacketLossFault("h", fraction)


def test_a_loss_shares_its_hop_with_latency_and_with_no_end_of_it() -> None:
    loss = PacketLossFault("h", 0.5)
    assert not loss.claims & LatencyFault("h", 0.1).claims
    for other in (SynDropFault("h"), PartitionFault("h"), DownFault("h"), PacketLossFault("h", 0.1)):
        assert loss.claims & other.claims
    assert not loss.claims & PacketLossFault("g", 0.5).claims


def test_no_connection_to_hold_is_no_look() -> None:
    skip_without_firewall()
    with socket.create_server(("127.0.0.1", 0)) as gone:
        targets = Targets(wires={"hop": wire(gone.getsockname()[1])})
    with pytest.raises(ChaosError, match="no connection to hold"):
        SynDropFault("hop").aim(targets, "1-test").observe()
