"""A real stack in containers: a service out of its network and back in its place, packets dropped at a hop's proxy."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import docker
import pytest
from docker.models.containers import Container

from chaos.canary.canary import Canary
from chaos.faults.fault import Fault
from chaos.faults.packets import netem as qdisc
from chaos.faults.packets.loss import PacketLossFault, SynDropFault
from chaos.faults.packets.mangling import AimedMangling, CorruptionFault, ReorderFault
from chaos.faults.packets.namespaces import namespace_of
from chaos.faults.packets.networks import ContainerMember, Membership
from chaos.faults.packets.nftables import unavailable
from chaos.faults.packets.partition import PartitionFault
from chaos.healing.actions import ACTIONS
from chaos.observed import State
from chaos.targets import Targets, Wire
from chaos.undo import Step, undo
from harness.errors import ChaosError, EnvironmentMissing, HealFailed, InjectionFailed, Refused, Unsupported
from harness.records import RUN_LABEL, ContainerRef
from infra import engine
from infra.compose.stack import ComposeStack
from infra.images.choice import KINDS, offline_tag
from infra.images.supply import is_present
from infra.stack import HOPS, StackPlan
from tests.chaos.rounds import injected

pytestmark = [
    pytest.mark.needs_docker,
    pytest.mark.skipif(sys.platform != "linux", reason="containers' addresses are reachable on Linux only"),
]
RUN = f"test-{os.urandom(4).hex()}"
PROTOCOLS = {"postgres": "postgres", "redis": "redis"}


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    try:
        engine.compose_version()
        client = engine.connect()
    except EnvironmentMissing as error:
        pytest.skip(str(error))
    if not all(is_present(client, offline_tag(kind)) for kind in KINDS):
        client.close()
        pytest.skip("the offline images are not built: nox -s offline_images")
    yield client
    client.close()


@pytest.fixture(scope="module")
def stack(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    del client
    stack = ComposeStack(StackPlan(RUN, tmp_path_factory.mktemp("run")))
    stack.up()
    yield stack
    stack.down()


@pytest.fixture(scope="module")
def refs(stack: ComposeStack) -> dict[str, ContainerRef]:
    return {ref.service: ref for ref in stack.services()}


@pytest.fixture(scope="module")
def targets(stack: ComposeStack, refs: dict[str, ContainerRef]) -> Targets:
    wires = {}
    for hop in HOPS:
        door = stack.proxy_endpoint(hop.name)
        canary = Canary(door.host, door.port, PROTOCOLS.get(hop.callee, "http"), 0.5)
        wires[hop.name] = Wire(hop.port, RUN, canary, refs["toxiproxy"])
    members = {}
    for service in ("postgres", "redis", "auth", "api"):
        own = stack.endpoint(service)
        canary = Canary(own.host, own.port, PROTOCOLS.get(service, "http"), 0.5)
        members[service] = ContainerMember(refs[service], run=RUN, canary=canary)
    return Targets(wires=wires, members=members)


@pytest.fixture
def redis(client: docker.DockerClient, refs: dict[str, ContainerRef]) -> Container:
    return client.containers.get(refs["redis"].container_id)


def place_of(container: Container) -> tuple[set[str], str]:
    """Return a container's names and its address in its network."""
    container.reload()
    (found,) = container.attrs["NetworkSettings"]["Networks"].values()
    return set(found["Aliases"]), found["IPAddress"]


def skip_without_firewall(refs: dict[str, ContainerRef]) -> None:
    if reason := unavailable(namespace_of(refs["toxiproxy"], RUN)):
        pytest.skip(reason)


@pytest.mark.parametrize("service", ["redis", "api"])
def test_a_partitioned_service_is_unreachable_and_comes_back_in_its_place(
    targets: Targets, client: docker.DockerClient, refs: dict[str, ContainerRef], service: str
) -> None:
    container = client.containers.get(refs[service].container_id)
    before = place_of(container)
    hop = targets.wires["api_redis" if service == "redis" else "client_api"].canary
    with injected(PartitionFault(service), targets):
        container.reload()
        assert container.attrs["NetworkSettings"]["Networks"] == {}
        assert container.attrs["State"]["Running"]
        assert hop.observe().state in {State.CLOSED, State.RESET, State.HUNG}
        assert targets.wires["client_auth"].canary.observe().state is State.ANSWERED
    assert place_of(container) == before
    assert hop.observe().state is State.ANSWERED


def test_names_that_were_lost_are_given_back(targets: Targets, client: docker.DockerClient, redis: Container) -> None:
    before = place_of(redis)
    step = targets.members["redis"].join_step()
    network = client.networks.get(str(step.args["network"]))
    network.disconnect(redis)
    network.connect(redis)
    assert "has lost its names" in str(ACTIONS["network.connect"].remaining(step.args))
    undo([step], ACTIONS)
    assert place_of(redis) == before


def test_a_container_of_another_run_is_left_alone(targets: Targets, redis: Container) -> None:
    step = targets.members["redis"].join_step()
    stranger = {**step.args, "run": "another"}
    ref = ContainerRef("redis", str(redis.id), str(step.args["engine"]))
    with pytest.raises(Refused, match="redis"):
        ContainerMember(ref, run="another", canary=Canary("127.0.0.1", 1, "redis"))
    with pytest.raises(Refused, match="redis"):
        namespace_of(ref, "another")
    with pytest.raises(Refused, match="redis"):
        Membership.of(stranger).end()
    with pytest.raises(HealFailed, match="redis"):
        undo([Step("network.connect", stranger)], ACTIONS)
    assert place_of(redis)


def test_of_a_container_that_is_no_more_nothing_is_put_back(targets: Targets) -> None:
    step = targets.members["redis"].join_step()
    gone = Membership.of({**step.args, "container": "0" * 64})
    undo([Step("network.connect", gone.args())], ACTIONS)
    assert not gone.lasts()
    with pytest.raises(ChaosError, match="is gone"):
        gone.end()
    ref = ContainerRef("redis", "0" * 64, gone.place.engine)
    with pytest.raises(Unsupported, match="in 0 networks"):
        ContainerMember(ref, run=RUN, canary=Canary("127.0.0.1", 1, "redis"))
    with pytest.raises(ChaosError, match="does not run"):
        namespace_of(ref, RUN)


def test_a_second_cut_is_a_failed_injection(targets: Targets) -> None:
    member = targets.members["auth"]
    try:
        member.cut()
        assert not member.joined()
        with pytest.raises(InjectionFailed, match="not disconnected: auth"):
            member.cut()
    finally:
        undo([member.join_step()], ACTIONS)
    assert member.joined()


@pytest.mark.parametrize(
    "fault",
    [
        PartitionFault("api_redis"),
        PartitionFault("api_postgres", "downstream"),
        SynDropFault("client_api"),
        SynDropFault("api_postgres"),
        PacketLossFault("api_redis", 0.2),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.target}",
)
def test_packets_are_dropped_at_the_proxys_container(
    targets: Targets, refs: dict[str, ContainerRef], fault: Fault
) -> None:
    skip_without_firewall(refs)
    with injected(fault, targets) as (aimed, _):
        assert {step.action for step in aimed.undo()} == {"nft.delete"}
        assert targets.wires["client_auth"].canary.observe().state is State.ANSWERED
    assert targets.wires[fault.target].canary.observe().state is State.ANSWERED


@pytest.mark.parametrize(
    "fault", [ReorderFault("api_redis", 0.25, 0.01), CorruptionFault("api_redis", 0.05)], ids=lambda fault: fault.kind
)
def test_packets_are_mangled_on_their_way_back(targets: Targets, fault: Fault) -> None:
    if reason := qdisc.unavailable():
        pytest.skip(reason)
    with injected(fault, targets) as (aimed, _):
        assert aimed.observe().amount > 0
        assert targets.wires["client_auth"].canary.observe().state is State.ANSWERED
    assert targets.wires["api_redis"].canary.observe().state is State.ANSWERED


def test_what_comes_back_goes_through_a_discipline_in_the_proxys_container(
    targets: Targets, refs: dict[str, ContainerRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a leaf that every kernel has: all but netem itself is seen to work where there is none."""
    skip_without_firewall(refs)
    monkeypatch.setattr(qdisc, "unavailable", lambda: None)
    hop = targets.wires["api_redis"]
    aimed = AimedMangling("corruption", hop, ["pfifo", "limit", "1000"])
    before = aimed.observe()
    try:
        aimed.inject()
        assert targets.wires["client_auth"].canary.observe().state is State.ANSWERED
        assert "no packet went through pfifo" in str(aimed.missing(before, before))
        assert aimed.missing(before, aimed.observe()) is None
        assert "still there" in str(aimed.remaining(before, aimed.observe()))
    finally:
        undo(aimed.undo(), ACTIONS)
    assert aimed.remaining(before, aimed.observe()) is None


def test_a_container_on_our_own_network_is_not_entered(
    client: docker.DockerClient, refs: dict[str, ContainerRef]
) -> None:
    ours = client.containers.run(
        offline_tag("redis"), ["sleep", "60"], detach=True, network_mode="host", labels={RUN_LABEL: RUN}
    )
    try:
        with pytest.raises(Unsupported, match="no network of its own"):
            namespace_of(ContainerRef("redis", str(ours.id), refs["redis"].engine), RUN)
    finally:
        ours.remove(force=True)


def test_a_namespace_ends_with_its_container(client: docker.DockerClient, refs: dict[str, ContainerRef]) -> None:
    skip_without_firewall(refs)
    shortlived = client.containers.run(offline_tag("redis"), ["sleep", "60"], detach=True, labels={RUN_LABEL: RUN})
    try:
        wire = Wire(
            6379, RUN, Canary("127.0.0.1", 1, "redis"), ContainerRef("redis", str(shortlived.id), refs["redis"].engine)
        )
        aimed = PartitionFault("hop").aim(Targets(wires={"hop": wire}), "1-partition")
        aimed.inject()
        assert "is still there" in str(ACTIONS["nft.delete"].remaining(aimed.undo()[0].args))
    finally:
        shortlived.remove(force=True)
    undo(aimed.undo(), ACTIONS)
