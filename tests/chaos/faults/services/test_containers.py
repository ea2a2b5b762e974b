"""Container faults on the services of a real container stack: done, seen, put back, and none but its own touched."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import docker
import pytest
from docker.models.containers import Container

from chaos.faults.fault import Fault
from chaos.faults.services.containers import ContainerService, StartContainer, service_of
from chaos.faults.services.lifecycle import KillFault, PauseFault, RestartFault, TerminateFault
from chaos.faults.services.squeeze import SqueezeFault
from chaos.healing.actions import ACTIONS
from chaos.observed import Observed, State
from chaos.targets import Targets
from chaos.undo import Actions, Step, undo
from harness.errors import ChaosError, EnvironmentMissing, HealFailed, InjectionFailed, Refused
from harness.probes.health import http_health
from harness.records import ContainerRef
from harness.wait import wait_until
from infra import engine
from infra.compose.stack import ComposeStack
from infra.images.choice import KINDS, offline_tag
from infra.images.supply import is_present
from infra.ports import free_ports
from infra.stack import StackPlan

pytestmark = pytest.mark.needs_docker

MIB = 1024 * 1024
LIMIT_S = 15.0


@dataclass(frozen=True)
class Running:
    """A stack that is up, and what there is to break and to mend of it."""

    stack: ComposeStack
    client: docker.DockerClient
    targets: Targets
    actions: Actions

    def container(self, service: str) -> Container:
        return self.client.containers.get(self.ref(service).container_id)

    def ref(self, service: str) -> ContainerRef:
        (ref,) = (ref for ref in self.stack.services() if ref.service == service)
        return ref


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    try:
        engine.compose_version()
        client = engine.connect()
    except EnvironmentMissing as error:
        pytest.skip(str(error))
    with contextlib.closing(client):
        if not all(is_present(client, offline_tag(kind)) for kind in KINDS):
            pytest.skip("the offline images are not built: nox -s offline_images")
        yield client


@pytest.fixture(scope="module")
def running(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    run = f"test-{os.urandom(4).hex()}"
    stack = ComposeStack(StackPlan(run, tmp_path_factory.mktemp("run")))
    with contextlib.ExitStack() as after:
        after.callback(stack.down)
        stack.up()
        handles = stack.handles()
        services = {
            name: service_of(h.ref, run=run, stop=h.stop, start_again=h.start_again, health=h.health)
            for name, h in handles.items()
        }
        containers = {name: each for name, each in services.items() if isinstance(each, ContainerService)}
        targets = Targets(services=services, containers=containers, spared=stack.spared())
        actions = {**ACTIONS, "container.start": StartContainer(lambda service: handles[service].wait_healthy())}
        yield Running(stack, client, targets, actions)


def break_and_mend(fault: Fault, running: Running) -> tuple[Observed, Observed, Observed]:
    """Play a fault, and return what was seen before it, at its proof, and after the heal."""
    aimed = fault.aim(running.targets, "f1")
    before, steps = aimed.observe(), aimed.undo()
    try:
        aimed.inject()
        wait_until("proof", lambda: aimed.missing(before, aimed.observe()), limit_s=LIMIT_S)
        during = aimed.observe()
    finally:
        undo(steps, running.actions)
        undo(steps, running.actions)
    wait_until("heal", lambda: aimed.remaining(before, aimed.observe()), limit_s=LIMIT_S)
    return before, during, aimed.observe()


def limits(running: Running, service: str) -> tuple[int, ...]:
    told = running.container(service).attrs["HostConfig"]
    return tuple(told[name] for name in ("CpuQuota", "CpuPeriod", "NanoCpus", "Memory", "MemorySwap"))


@pytest.mark.parametrize("service", ["postgres", "api"])
def test_a_pause_freezes_a_container_where_it_stands(running: Running, service: str) -> None:
    before, during, after = break_and_mend(PauseFault(service), running)
    assert during.state is State.STOPPED
    assert (after.detail, after.amount) == (before.detail, before.amount)


@pytest.mark.parametrize(
    ("service", "kind"),
    [
        *((service, KillFault) for service in ("postgres", "redis", "auth")),
        ("postgres", TerminateFault),
        *((service, RestartFault) for service in ("redis", "api")),
    ],
)
def test_what_was_ended_is_the_same_container_begun_anew_at_the_same_addresses(
    running: Running, service: str, kind: Callable[[str], Fault]
) -> None:
    stack, ref = running.stack, running.ref(service)
    ports = running.container(service).ports
    before, _, after = break_and_mend(kind(service), running)
    assert after.amount > before.amount
    assert running.ref(service) == ref
    assert running.container(service).ports == ports
    assert stack.handles()[service].health() is None


def test_the_way_through_all_hops_works_after_everything(running: Running) -> None:
    for hop in ("client_api", "client_auth"):
        url = f"{running.stack.proxy_endpoint(hop).url}/health"
        assert http_health(url) is None
    ready = f"{running.stack.proxy_endpoint('client_api').url}/ready"
    wait_until("readiness", lambda: http_health(ready, timeout_s=5), limit_s=LIMIT_S)


def test_a_squeeze_leaves_less_and_gives_back_what_there_was(running: Running) -> None:
    before, during, after = break_and_mend(SqueezeFault("api", cpu_cores=0.25, memory_bytes=256 * MIB), running)
    assert before.detail == after.detail == "all cores, all memory"
    assert during.detail == f"0.250 cores, {256 * MIB} bytes"
    api = running.targets.container("squeeze", "api")
    assert api.allowance().cpu_cores == 0.0
    assert api.allowance().memory_bytes == 0


def test_what_had_a_limit_gets_exactly_that_one_again(running: Running) -> None:
    api = running.targets.container("squeeze", "api")
    former = api.allowance()
    api.squeeze(cpu_cores=0.9, memory_bytes=512 * MIB)
    try:
        was = limits(running, "api")
        assert was == (90_000, 100_000, 0, 512 * MIB, 512 * MIB)
        break_and_mend(SqueezeFault("api", cpu_cores=0.333, memory_bytes=256 * MIB), running)
        assert limits(running, "api") == was
    finally:
        undo([api.restore_step(former, cpu=True, memory=True)], running.actions)


def test_a_limit_below_what_is_in_use_is_refused_or_kills_and_either_is_told(running: Running) -> None:
    """The kernel decides which: version 1 of its control groups refuses, version 2 kills."""
    aimed = SqueezeFault("api", memory_bytes=6 * MIB).aim(running.targets, "f1")
    before = aimed.observe()
    try:
        aimed.inject()
    except InjectionFailed as error:
        told = str(error)
    except ChaosError as error:
        told = str(error)
        assert "the engine would not" in told
    else:
        wait_until("death", lambda: None if aimed.observe().state is State.GONE else "lives", limit_s=LIMIT_S)
        told = str(aimed.missing(before, aimed.observe()))
        assert "exited with code" in told
    finally:
        undo(aimed.undo(), running.actions)
    assert "\n" not in told
    assert aimed.remaining(before, aimed.observe()) is None


@pytest.mark.parametrize("run", ["another", "manual", ""])
def test_a_container_of_another_run_is_left_alone(running: Running, run: str) -> None:
    """Whatever an old ledger says: neither broken nor mended."""
    ref = running.ref("redis")
    stranger = ContainerService(ref, run=run, health=lambda: None)
    acts: list[Callable[[], object]] = [stranger.kill, stranger.pause, stranger.start, stranger.observe]
    acts += [lambda: stranger.terminate(0.0), lambda: stranger.squeeze(cpu_cores=0.1, memory_bytes=None)]
    for act in acts:
        with pytest.raises(Refused, match=f"redis.* is not labelled as of run {run}"):
            act()
    parts = {"cpu_cores": 0.1, "memory_bytes": None, "memory_and_swap_bytes": None}
    restore = Step("container.restore", {**stranger.start_step().args, **parts})
    for step in (stranger.start_step(), stranger.resume_step(), restore):
        with pytest.raises(HealFailed, match="is not labelled as of run"):
            undo([step], ACTIONS)
    assert running.container("redis").status == "running"


def test_a_container_that_was_removed_needs_no_mending_and_can_be_broken_no_more(running: Running) -> None:
    gone = ContainerService(replace(running.ref("redis"), container_id="0" * 64), run="any", health=lambda: None)
    undo([gone.start_step(), gone.resume_step()], ACTIONS)
    assert gone.observe() == Observed(State.GONE, detail="removed")
    with pytest.raises(InjectionFailed, match="redis: its container was removed"):
        gone.kill()


def test_an_engine_that_is_not_there_is_told_and_not_waited_for() -> None:
    (port,) = free_ports(1)
    nowhere = ContainerRef("redis", "0" * 64, f"tcp://127.0.0.1:{port}")
    with pytest.raises(ChaosError, match="redis: the engine would not: "):
        ContainerService(nowhere, run="any", health=lambda: None).observe()


def test_the_guardian_starts_and_wakes_without_the_stack(running: Running) -> None:
    """What stands in the ledger is enough: no provider is at hand in its process."""
    for fault in (KillFault("redis"), PauseFault("redis")):
        aimed = fault.aim(running.targets, "f1")
        before, steps = aimed.observe(), aimed.undo()
        aimed.inject()
        undo(steps, ACTIONS)
        wait_until("heal", lambda: aimed.remaining(before, aimed.observe()), limit_s=LIMIT_S)  # noqa: B023 - used at once
