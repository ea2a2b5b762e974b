"""A runner that is made to die: plays a schedule as every run does, and strikes itself at the moment it was told.

Run as `python -m tests.chaos.doomed`, orders as JSON on its input; what it does it says as JSON, a line each.
Everything in it is the real thing, the ledger and the actions but counted.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.canary.canary import Canary
from chaos.conductor import Conductor
from chaos.faults.fault import Prepared
from chaos.faults.kinds import KINDS
from chaos.faults.links.toxiproxy import ToxiproxyLink
from chaos.healing.actions import ACTIONS
from chaos.healing.guardian import Guardian
from chaos.healing.ledger import Ledger, UndoEntry
from chaos.profile.timeline import At, Planned, expand
from chaos.targets import Targets
from chaos.undo import Action, Actions, Force
from fixtures.joins.breaking import own_actions
from harness.clock import RealClock
from harness.errors import ChaosError
from infra.compose.stack import ComposeStack
from infra.local.stack import LocalStack
from infra.stack import StackPlan
from tests.chaos.borrowed import RUN, borrow, describe, targets_of


@dataclass
class Death:
    """When and how: after so many writes to the ledger, or a record that begins so, or so many undoings.

    It is by SIGKILL, SIGSTOP, or by SIGKILL with its whole group.

    With `guardian`, that is killed first, so that nobody heals.
    """

    after_write: int = 0
    after_record: str = ""
    after_undo: int = 0
    by: str = "SIGKILL"
    guardian: bool = False
    guardian_pid: int = 0

    def strike(self) -> None:
        if self.guardian:
            os.kill(self.guardian_pid, signal.SIGKILL)
        say("dies", unix_s=time.time())
        if self.by == "group":
            os.killpg(os.getpgid(0), signal.SIGKILL)
        os.kill(os.getpid(), getattr(signal, self.by))


class MortalLedger(Ledger):
    """One that counts what it writes."""

    def __init__(self, folder: Path, death: Death) -> None:
        self._death = death
        self._writes = 0
        super().__init__(folder)

    def _write(self, record: Mapping[str, object]) -> None:
        super()._write(record)
        self._writes += 1
        kind, name, awaited = record["record"], record.get("name", ""), self._death.after_record
        say("wrote", number=self._writes, record=kind, name=name)
        if self._writes == self._death.after_write or (awaited and f"{kind} {name}".startswith(awaited)):
            self._death.strike()


class Undoings:
    """Counts what actions carry out."""

    def __init__(self, death: Death) -> None:
        self._death = death
        self._done = 0

    def counted(self, action: Action) -> Action:
        return _Counted(action, self._count)

    def _count(self) -> None:
        self._done += 1
        say("undid", number=self._done)
        if self._done == self._death.after_undo:
            self._death.strike()


@dataclass(frozen=True)
class _Counted:
    action: Action
    count: Callable[[], None]

    def carry_out(self, args: Mapping[str, object]) -> Force | None:
        force = self.action.carry_out(args)
        self.count()
        return force

    def remaining(self, args: Mapping[str, object]) -> str | None:
        return self.action.remaining(args)


def say(event: str, **detail: object) -> None:
    """Say what happened, whole before anything else happens."""
    os.write(1, json.dumps({"event": event, **detail}).encode() + b"\n")


def make_conductor(
    targets: Targets, ledger: Ledger, actions: Actions, lookers: Executor, alive: Callable[[], None]
) -> Conductor:
    """Return a conductor that says what it notes."""
    clock = RealClock()
    return Conductor(
        targets,
        ledger=ledger,
        actions=actions,
        lookers=lookers,
        clock=clock,
        now_s=clock.now_s,
        note=say,
        alive=alive,
    )


def play(orders: Mapping[str, Any], targets: Targets, actions: Actions) -> None:
    """Play the schedule of `orders` and end in order, unless struck before."""
    death = Death(**orders.get("death", {}))
    undoings, folder = Undoings(death), Path(orders["folder"])
    counted = {name: undoings.counted(action) for name, action in actions.items()}
    entries = [At(at_s, for_s, KINDS[kind](**parameters)) for at_s, for_s, kind, parameters in orders["schedule"]]
    ledger = MortalLedger(folder, death)
    guardian = Guardian(folder, counted, renew_s=orders.get("renew_s", 2.0))
    say("guarded", pid=guardian.pid)
    death.guardian_pid = guardian.pid
    schedule = expand(entries, time_scale=1.0, seed=1)
    with ThreadPoolExecutor() as lookers, contextlib.closing(ledger):
        conductor = make_conductor(targets, ledger, counted, lookers, alive=guardian.check)
        try:
            prepare(schedule, targets, ledger)
            conductor.play(schedule, start_s=RealClock().now_s())
            say("played", doubts=[window.note for window in conductor.windows.values() if window.note])
        except ChaosError as error:
            say("stopped", why=str(error))
        say("ended", put_back=guardian.close())


def prepare(schedule: Sequence[Planned], targets: Targets, ledger: Ledger) -> None:
    """Prepare what must be in place early; it is taken away when the run ends."""
    for planned in schedule:
        if isinstance(planned.fault, Prepared):
            preparation = planned.fault.prepare(targets)
            steps = tuple(preparation.undo())
            ledger.open(
                UndoEntry(f"p{planned.number}", planned.fault.kind, planned.fault.target, steps, time.time() + 600)
            )
            preparation.arm()


def links_only(orders: Mapping[str, Any]) -> None:
    """Play on the links of one Toxiproxy: `api` is its port, `doors` are its proxies' by name, all before a Redis."""
    canaries = {name: Canary("127.0.0.1", port, "redis") for name, port in orders["doors"].items()}
    links = {name: ToxiproxyLink("127.0.0.1", orders["api"], name, canary) for name, canary in canaries.items()}
    play(orders, Targets(links=links), ACTIONS)


def whole_stack(orders: Mapping[str, Any]) -> None:
    """Play on a stack that is told by `stack`, or on one of this runner's own, which dies with it."""
    folder, disk = Path(orders["folder"]), Path(orders["disk"]) if orders.get("disk") else None
    if described := orders["stack"]:
        stack: LocalStack | ComposeStack = borrow(described, folder)
    else:
        stack = LocalStack(StackPlan(RUN, folder))
        stack.up()
        say("up", stack=describe(stack))
    try:
        play(orders, targets_of(stack, run_folder=folder, disk=disk), own_actions(stack))
    finally:
        if not described:
            stack.down()


if __name__ == "__main__":
    given = json.loads(sys.stdin.readline())
    (whole_stack if "stack" in given else links_only)(given)
