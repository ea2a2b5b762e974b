"""Partitions of a real hop, both ways and one way; those of a container's service are in test_networks.py."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from chaos.faults.packets.partition import PartitionFault
from chaos.faults.services.lifecycle import KillFault
from chaos.observed import Observed, State
from chaos.targets import Targets
from chaos.undo import Step
from harness.errors import Unsupported
from tests.chaos.conftest import Toxiproxy
from tests.chaos.rounds import injected
from tests.chaos.wires import skip_without_firewall, wire

# The tables of the whole machine are looked at.
pytestmark = pytest.mark.apart("chaos/faults/packets")


class MemberInMemory:
    """A service's container that is cut and joined in memory, or seems so."""

    def __init__(self) -> None:
        self.inside = True
        self.calls: list[str] = []

    def cut(self) -> None:
        self.calls.append("cut")
        self.inside = False

    def joined(self) -> bool:
        return self.inside

    def observe(self) -> Observed:
        return Observed(State.ANSWERED if self.inside else State.REFUSED, 0.001)

    def join_step(self) -> Step:
        return Step("network.connect", {"service": "redis"})


@pytest.mark.parametrize("direction", ["both", "upstream", "downstream"])
def test_a_partitioned_hop_hangs_alone(server: Toxiproxy, redis_port: int, direction: str) -> None:
    skip_without_firewall()
    targets = Targets(wires={"hop": wire(server.doors["redis"]), "other": wire(redis_port)})
    fault = PartitionFault("hop", direction)  # type: ignore[arg-type] # the cases
    with injected(fault, targets) as (aimed, before):
        now = aimed.observe()
        assert (before.state, now.state) == (State.ANSWERED, State.HUNG)
        assert now.amount > 0
        assert targets.wires["other"].canary.observe().state is State.ANSWERED
    assert targets.wires["hop"].canary.observe().state is State.ANSWERED


def test_a_service_is_taken_out_of_its_network() -> None:
    member = MemberInMemory()
    aimed = PartitionFault("redis").aim(Targets(members={"redis": member}), "1-partition")
    before = aimed.observe()
    assert [step.action for step in aimed.undo()] == ["network.connect"]
    assert member.calls == []
    aimed.inject()
    now = aimed.observe()
    assert aimed.missing(before, now) is None
    assert "not in its network" in str(aimed.remaining(before, now))
    member.inside = True
    assert aimed.remaining(before, aimed.observe()) is None


IN, OUT = 1.0, 0.0


@pytest.mark.parametrize(
    ("before", "now", "doubt"),
    [
        (Observed(State.ANSWERED, amount=IN), Observed(State.HUNG, amount=OUT), None),
        (Observed(State.ANSWERED, amount=IN), Observed(State.REFUSED, amount=OUT), None),
        (Observed(State.ANSWERED, amount=IN), Observed(State.ANSWERED, amount=OUT), "disconnected the container, but"),
        (Observed(State.ANSWERED, amount=IN), Observed(State.HUNG, amount=IN), "disconnected the container, but"),
        (Observed(State.HUNG, amount=IN), Observed(State.HUNG, amount=OUT), "not whole before"),
        (Observed(State.ANSWERED, amount=OUT), Observed(State.HUNG, amount=OUT), "not whole before"),
    ],
)
def test_only_a_silent_service_that_is_out_proves_it(before: Observed, now: Observed, doubt: str | None) -> None:
    aimed = PartitionFault("redis").aim(Targets(members={"redis": MemberInMemory()}), "1-partition")
    said = aimed.missing(before, now)
    assert (said is None) == (doubt is None)
    assert doubt is None or doubt in str(said)


@pytest.mark.parametrize(
    ("targets", "fault", "reason"),
    [
        ({}, PartitionFault("redis"), "no such hop, or service in a container's network, here; there are: none"),
        ({"members": {"redis": MemberInMemory()}}, PartitionFault("redis", "downstream"), "both ways, or not at all"),
        ({"members": {"redis": MemberInMemory()}, "spared": {"redis": "rare"}}, PartitionFault("redis"), "rare"),
        (
            {"members": {"redis": MemberInMemory()}, "lacking": {"partition": "because"}},
            PartitionFault("redis"),
            "because",
        ),
    ],
)
def test_what_cannot_be_is_unsupported(targets: Mapping[str, object], fault: PartitionFault, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        fault.aim(Targets(**targets), "1-partition")  # type: ignore[arg-type] # the cases


def test_a_partition_has_its_service_to_itself() -> None:
    assert PartitionFault("redis").claims & KillFault("redis").claims
    assert not PartitionFault("redis").claims & KillFault("api").claims
