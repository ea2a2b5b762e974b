"""Process faults on the services of a real local stack: each is done, seen, put back, and done again harmlessly."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from chaos.faults.fault import Fault
from chaos.faults.services.containers import service_of
from chaos.faults.services.lifecycle import KillFault, PauseFault, RestartFault, TerminateFault
from chaos.faults.services.processes import ProcessService, StartAgain
from chaos.healing.actions import ACTIONS
from chaos.observed import Observed, State
from chaos.targets import Targets
from chaos.undo import Actions, undo
from harness.errors import ChaosError, HealFailed, InjectionFailed, StackError
from harness.identity import ProcessId, family, runs
from harness.probes.health import http_health
from harness.records import ProcessRef
from harness.wait import wait_until
from infra.local import leftovers
from infra.local.stack import LocalStack
from infra.stack import StackPlan

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no Redis server exists for Windows")

SERVICES = ("postgres", "redis", "auth", "api")
ENDING = (KillFault, TerminateFault, RestartFault)
LIMIT_S = 10.0


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def stack(run_folder: Path) -> Iterator[LocalStack]:
    stack = LocalStack(StackPlan("test", run_folder))
    with contextlib.ExitStack() as after:
        after.callback(stack.down)
        stack.up()
        yield stack


@pytest.fixture(scope="module")
def targets(stack: LocalStack) -> Targets:
    services = {
        name: service_of(h.ref, run="test", stop=h.stop, start_again=h.start_again, health=h.health)
        for name, h in stack.handles().items()
    }
    return Targets(services=services, spared=stack.spared())


@pytest.fixture(scope="module")
def actions(stack: LocalStack) -> Actions:
    handles = stack.handles()

    def start(service: str) -> None:
        handles[service].start_again()
        handles[service].wait_healthy()

    return {**ACTIONS, "service.start": StartAgain(start, lambda service: handles[service].health())}


def break_and_mend(fault: Fault, targets: Targets, actions: Actions) -> tuple[Observed, Observed, Observed]:
    """Play a fault, and return what was seen before it, at its proof, and after the heal."""
    aimed = fault.aim(targets, "f1")
    before, steps = aimed.observe(), aimed.undo()
    try:
        aimed.inject()
        wait_until("proof", lambda: aimed.missing(before, aimed.observe()), limit_s=LIMIT_S)
        during = aimed.observe()
    finally:
        undo(steps, actions)
        undo(steps, actions)
    wait_until("heal", lambda: aimed.remaining(before, aimed.observe()), limit_s=LIMIT_S)
    return before, during, aimed.observe()


@pytest.mark.parametrize("service", SERVICES)
def test_a_pause_stops_all_of_a_service_where_it_stands(
    stack: LocalStack, targets: Targets, actions: Actions, service: str
) -> None:
    before, during, after = break_and_mend(PauseFault(service), targets, actions)
    assert during.state is State.STOPPED
    assert (after.detail, after.amount) == (before.detail, before.amount)
    assert stack.handles()[service].health() is None


@pytest.mark.parametrize("kind", ENDING, ids=lambda kind: kind.kind)
@pytest.mark.parametrize("service", SERVICES)
def test_what_was_ended_is_another_process_at_the_same_address(
    stack: LocalStack, targets: Targets, actions: Actions, service: str, kind: Callable[[str], Fault]
) -> None:
    everyone = family(root(stack, service))
    before, _, after = break_and_mend(kind(service), targets, actions)
    assert after.amount > before.amount
    assert not everyone[0].is_running(), "not even as a zombie"
    assert not any(map(runs, everyone))


def root(stack: LocalStack, service: str) -> psutil.Process:
    return psutil.Process({ref.service: ref.process.pid for ref in stack.services()}[service])


def test_the_way_through_all_hops_works_after_everything(stack: LocalStack) -> None:
    ready = f"{stack.proxy_endpoint('client_api').url}/ready"
    wait_until("readiness", lambda: http_health(ready, timeout_s=5), limit_s=LIMIT_S)


def test_the_record_on_disk_knows_who_it_is_now(stack: LocalStack, run_folder: Path) -> None:
    record = leftovers.read_record(run_folder)
    assert record is not None
    started = {ref.service: ref.process for ref in stack.services()}
    assert {mark.service: mark.process for mark in record.processes} == started


def test_an_undoing_that_was_never_needed_is_harmless(targets: Targets, actions: Actions) -> None:
    for fault in (KillFault("redis"), PauseFault("postgres")):
        aimed = fault.aim(targets, "f1")
        before = aimed.observe()
        undo(aimed.undo(), actions)
        assert (aimed.observe().detail, aimed.observe().amount) == (before.detail, before.amount)


def test_what_has_ended_cannot_be_ended_or_paused_once_more(
    stack: LocalStack, targets: Targets, actions: Actions
) -> None:
    service, aimed = targets.services["auth"], KillFault("auth").aim(targets, "f1")
    aimed.inject()
    try:
        for act in (service.kill, service.pause, lambda: service.terminate(1.0)):
            with pytest.raises(InjectionFailed, match=r"auth does not run: process \d+ is gone"):
                act()
        assert service.observe().state is State.GONE
    finally:
        undo(aimed.undo(), actions)
    assert stack.handles()["auth"].health() is None


def test_half_a_paused_tree_is_neither_paused_nor_whole(stack: LocalStack, targets: Targets, actions: Actions) -> None:
    aimed = PauseFault("postgres").aim(targets, "f1")
    before, (first, second, *_) = aimed.observe(), family(root(stack, "postgres"))
    second.suspend()
    wait_until("a stop", lambda: None if second.status() == psutil.STATUS_STOPPED else "runs", limit_s=LIMIT_S)
    now = aimed.observe()
    assert now.state is State.HUNG
    assert aimed.missing(before, now) is not None
    assert aimed.remaining(before, now) is not None
    undo(aimed.undo(), actions)
    assert (first.status() == psutil.STATUS_STOPPED, aimed.observe().state) == (False, State.RUNNING)


# Its children are born and end all the time; a deaf one does not hear that it is to stop.
BROOD = """
import itertools, signal, subprocess, sys
if sys.argv[1] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("born", flush=True)
for number in itertools.count():
    with subprocess.Popen(["sleep", "0.01"]):
        pass
"""


@dataclass(frozen=True)
class Brood:
    child: subprocess.Popen[bytes]
    service: ProcessService


@pytest.fixture
def brood(request: pytest.FixtureRequest) -> Iterator[Brood]:
    with subprocess.Popen([sys.executable, "-c", BROOD, request.param], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        ref = ProcessRef("brood", ProcessId.of(psutil.Process(child.pid)))

        def refuse() -> None:
            raise StackError("the stack is going down")

        service = ProcessService(
            "brood", lambda: ref, stop="SIGTERM", start_again=refuse, health=lambda: None, runner=ProcessId.own()
        )
        yield Brood(child, service)
        child.kill()


@pytest.mark.parametrize("brood", ["polite"], indirect=True)
def test_what_is_born_during_a_pause_is_stopped_too(brood: Brood) -> None:
    step = brood.service.resume_step()
    for _ in range(10):
        brood.service.pause()
        assert brood.service.observe().state is State.STOPPED
        undo([step], ACTIONS)
        assert brood.service.observe().state is State.RUNNING


@pytest.mark.parametrize(("brood", "by"), [("polite", signal.SIGTERM), ("deaf", signal.SIGKILL)], indirect=["brood"])
def test_one_that_does_not_stop_when_asked_to_is_killed_after_the_grace(brood: Brood, by: signal.Signals) -> None:
    brood.service.terminate(0.3)
    assert brood.service.observe().state is State.GONE
    assert brood.child.wait(LIMIT_S) == -by


def test_a_kill_ends_children_that_would_outlive_their_parent() -> None:
    code = "import subprocess; child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True); child.wait()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        sleeper = psutil.Process(int(parent.stdout.readline()))
        ref = ProcessRef("tree", ProcessId.of(psutil.Process(parent.pid)))
        service = ProcessService(
            "tree", lambda: ref, stop="SIGTERM", start_again=lambda: None, health=lambda: None, runner=ProcessId.own()
        )
        try:
            service.kill()
            assert not runs(sleeper)
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                sleeper.kill()


@pytest.mark.parametrize("brood", ["polite"], indirect=True)
def test_a_provider_that_will_not_start_it_says_why(brood: Brood) -> None:
    with pytest.raises(InjectionFailed, match="brood was not started again: the stack is going down"):
        brood.service.start()


def test_a_stack_that_is_no_longer_there_is_told() -> None:
    def nobody() -> ProcessRef:
        raise StackError("the local stack is not up")

    service = ProcessService(
        "redis", nobody, stop="SIGTERM", start_again=lambda: None, health=lambda: None, runner=ProcessId.own()
    )
    for act in (service.observe, service.kill, service.resume_step):
        with pytest.raises(ChaosError, match="redis: the local stack is not up"):
            act()


def test_a_start_that_fails_is_a_heal_that_failed(targets: Targets) -> None:
    def fail(service: str) -> None:
        raise StackError(f"no {service} to be had")

    (step,) = KillFault("redis").aim(targets, "f1").undo()
    with pytest.raises(HealFailed, match="redis was not started again: no redis to be had"):
        undo([step], {**ACTIONS, "service.start": StartAgain(fail, lambda _: None)})
    with pytest.raises(HealFailed, match="yet it is mute"):
        undo([step], {**ACTIONS, "service.start": StartAgain(lambda _: None, lambda _: "it is mute")})
