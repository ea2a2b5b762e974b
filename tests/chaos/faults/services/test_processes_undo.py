"""What puts processes back when the runner does, and when all that is left of the run is its ledger."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from chaos.faults.services.processes import ResumeProcess, StartByRunner
from chaos.healing.actions import ACTIONS
from chaos.undo import Step, undo
from harness.errors import HealFailed
from harness.identity import ProcessId
from harness.root import ROOT
from harness.wait import wait_until
from infra.local import leftovers
from tests.processes import stranger_to

# The steps that the ledger would hold, for a Redis that was killed and a PostgreSQL that stands still.
RUNNER = """
import json, signal, sys
from pathlib import Path
from chaos.faults.services.lifecycle import KillFault, PauseFault
from chaos.faults.services.containers import service_of
from chaos.targets import Targets
from infra.local.stack import LocalStack
from infra.stack import StackPlan
stack = LocalStack(StackPlan("doomed", Path(sys.argv[1])))
stack.up()
services = {
    name: service_of(h.ref, run="doomed", stop=h.stop, start_again=h.start_again, health=h.health)
    for name, h in stack.handles().items()
}
faults = [fault.aim(Targets(services=services), "f1") for fault in (KillFault("redis"), PauseFault("postgres"))]
steps = [(step.action, dict(step.args)) for fault in faults for step in fault.undo()]
for fault in faults:
    fault.inject()
print(json.dumps(steps), flush=True)
signal.pause()
"""


@pytest.fixture
def child() -> Iterator[psutil.Process]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield psutil.Process(child.pid)
        child.kill()


def args_of(process: psutil.Process) -> dict[str, object]:
    return {"service": "redis", **ProcessId.of(process).args()}


def args_of_earlier_versions(process: psutil.Process) -> dict[str, object]:
    return {"service": "redis", "pid": process.pid, "created_s": process.create_time()}


@pytest.mark.parametrize("args_of", [args_of, args_of_earlier_versions])
def test_a_stopped_process_goes_on_and_is_said_to_be_stopped_until_then(
    child: psutil.Process, args_of: Callable[[psutil.Process], dict[str, object]]
) -> None:
    action, args = ResumeProcess(), args_of(child)
    assert action.remaining(args) is None
    child.suspend()
    wait_until("a stop", lambda: None if action.remaining(args) else "not yet", limit_s=10)
    assert action.remaining(args) == "1 processes of redis are still stopped"
    action.carry_out(args)
    assert action.remaining(args) is None
    assert child.status() != psutil.STATUS_STOPPED


def test_a_stranger_with_its_id_is_left_as_it_is(child: psutil.Process) -> None:
    action, args = ResumeProcess(), {"service": "redis", **stranger_to(ProcessId.of(child)).args()}
    child.suspend()
    wait_until("a stop", lambda: None if action.remaining(args_of(child)) else "not yet", limit_s=10)
    action.carry_out(args)
    assert action.remaining(args) is None
    assert child.status() == psutil.STATUS_STOPPED


def test_a_process_that_is_gone_needs_nothing(child: psutil.Process) -> None:
    args, process = args_of(child), ProcessId.of(child)
    child.kill()
    wait_until("its end", lambda: "there" if process.lives else None, limit_s=10)
    undo([Step("process.resume", args)], ACTIONS)


def test_only_its_living_runner_can_start_a_service_again() -> None:
    own = ProcessId.own()
    args = {"service": "redis", **own.args(prefix="runner_")}
    told = StartByRunner().remaining(args)
    assert told == f"redis can be started only by its run, which goes on as process {own.pid}"
    with pytest.raises(HealFailed, match="can be started only by its run"):
        undo([Step("service.start", args)], ACTIONS)
    assert StartByRunner().remaining(args | stranger_to(own).args(prefix="runner_")) is None
    earlier = {"service": "redis", "runner_pid": own.pid, "runner_created_s": own.created_s}
    assert StartByRunner().remaining(earlier) == told
    assert StartByRunner().remaining(earlier | {"runner_created_s": own.created_s - 3600.0}) is None


@pytest.mark.skipif(sys.platform == "win32", reason="no Redis server exists for Windows")
def test_once_the_runner_is_gone_so_is_its_stack_and_nothing_is_left_to_start(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RUNNER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        try:
            steps = [Step(action, args) for action, args in json.loads(runner.stdout.readline())]
        finally:
            runner.kill()
    undo(steps, ACTIONS)
    record = leftovers.read_record(tmp_path)
    assert record is not None
    wait_until("the reaper", lambda: f"{len(record.living)} live" if record.living else None, limit_s=20)
    undo(steps, ACTIONS)
    assert "password" not in json.dumps([dict(step.args) for step in steps])
