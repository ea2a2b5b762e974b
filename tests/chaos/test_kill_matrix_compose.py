"""The kill matrix on containers: a runner is killed after each step of each fault's ledger, and the stack is whole."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import pytest

from chaos.faults.packets import nftables as firewall
from chaos.faults.packets.namespaces import namespace_of
from harness.errors import EnvironmentMissing
from harness.records import ContainerRef
from infra import engine
from infra.compose.stack import ComposeStack
from infra.images.choice import KINDS as IMAGES
from infra.images.choice import offline_tag
from infra.images.supply import is_present
from infra.stack import StackPlan
from tests.chaos.borrowed import RUN
from tests.chaos.matrix import (
    IN_CONTAINERS,
    OF_CONTAINERS,
    Stage,
    by_hand,
    cells,
    disk,
    skip_unless_possible,
    write_table,
)

pytestmark = [
    pytest.mark.needs_docker,
    pytest.mark.thorough,
    # The tables of the whole machine are looked at.
    pytest.mark.apart("chaos/faults/packets"),
    pytest.mark.skipif(sys.platform == "win32", reason="it is tested by POSIX signals"),
]


class ContainerStage(Stage):
    """A stack of containers, each of which is to be again as it was at first but for its life."""

    def remember(self) -> None:
        self.before = self.containers()

    def containers(self) -> dict[str, object]:
        assert isinstance(self.stack, ComposeStack)
        found: dict[str, object] = {}
        for ref in self.stack.services():
            attrs = self.stack._client().containers.get(ref.container_id).attrs
            limits = {key: attrs["HostConfig"][key] for key in ("CpuQuota", "Memory")}
            # Never limited, or limited to more than there can be: a limit of memory cannot be lifted again.
            bounded = {key: value for key, value in limits.items() if 0 < value < 1 << 60}
            networks = {
                network: (sorted(at["Aliases"] or ()), at["IPAddress"])
                for network, at in attrs["NetworkSettings"]["Networks"].items()
            }
            found[ref.service] = (attrs["State"]["Status"], bounded, networks)
        return found

    def halted(self) -> list[str]:
        now = self.containers()
        tables = self.tables()
        return [f"{name}: {now[name]}, was {was}" for name, was in self.before.items() if now.get(name) != was] + tables

    def tables(self) -> list[str]:
        assert isinstance(self.stack, ComposeStack)
        (proxy,) = [ref for ref in self.stack.services() if ref.service == "toxiproxy"]
        assert isinstance(proxy, ContainerRef)
        if firewall.unavailable(None):
            return []
        return sorted(firewall._tables(namespace_of(proxy, RUN)))


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    try:
        engine.compose_version()
        with contextlib.closing(engine.connect()) as client:
            if not all(is_present(client, offline_tag(kind)) for kind in IMAGES):
                pytest.skip("the offline images are not built: nox -s offline_images")
    except EnvironmentMissing as error:
        pytest.skip(str(error))
    with disk() as small:
        stack = ComposeStack(StackPlan(RUN, tmp_path_factory.mktemp("stack")))
        stack.up()
        try:
            stage = ContainerStage(stack, tmp_path_factory.mktemp("runs"), small)
            stage.remember()
            yield stage
        finally:
            stack.down()
        write_table(stage.rows)


@pytest.mark.parametrize(("kind", "step"), cells(OF_CONTAINERS))
def test_a_stack_of_containers_is_whole_whenever_its_runner_is_killed(containers: Stage, kind: str, step: str) -> None:
    skip_unless_possible(containers, kind)
    containers.kill(kind, IN_CONTAINERS[kind], step)


def test_a_stack_of_containers_is_whole_when_its_runner_is_killed_amid_many_faults(containers: Stage) -> None:
    skip_unless_possible(containers, "partition")
    containers.kill_amid_all()


@pytest.mark.parametrize("kind", by_hand(OF_CONTAINERS))
def test_what_nobody_guarded_in_containers_is_seen_and_put_back_by_hand(containers: Stage, kind: str) -> None:
    skip_unless_possible(containers, kind)
    containers.heal_by_hand(kind, IN_CONTAINERS[kind])


def test_after_all_these_deaths_the_next_run_in_containers_plays_to_its_end(containers: Stage) -> None:
    containers.play_to_the_end()
