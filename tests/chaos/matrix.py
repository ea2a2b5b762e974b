"""What the kill matrix is made of: a stack that outlives its runners, every kind of fault, and the steps to die at.

By default each kind of fault meets its runner's death at one step, and one kind at all of them. With HW_KILL_MATRIX=all
every kind meets it at every step. HW_KILL_TABLE names a file for the table of what was seen.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chaos.faults.kinds import KINDS
from chaos.faults.packets import netem as qdisc
from chaos.faults.packets import nftables as firewall
from chaos.faults.stores.ballast import BALLAST_PREFIX
from chaos.healing.guardian import LOG_NAME
from chaos.healing.heal import clear, describe_residue
from chaos.healing.ledger import FILE_NAME, read_ledger
from chaos.observed import State
from harness.errors import ChaosError, NotReady
from harness.wait import wait_until
from infra.compose.stack import ComposeStack
from infra.local.stack import LocalStack
from infra.stack import HOPS
from tests.chaos.borrowed import canary_of, describe, links_of
from tests.chaos.child import LIMIT_S, Child, lives
from tests.disks import small_disk

CLEAN_S = 10.0
DISK_BYTES = 8 << 20
WHOLE_MATRIX = os.environ.get("HW_KILL_MATRIX") == "all"
TABLE = os.environ.get("HW_KILL_TABLE")
# When the runner dies: right after this was written or done. Of undoing, after the first of its steps.
STEPS: Mapping[str, Mapping[str, object]] = {
    "opened": {"after_record": "open f1_"},
    "injected": {"after_record": "injected f1_"},
    "undoing": {"after_undo": 1},
    "closed": {"after_record": "closed f1_"},
}
Faults = Mapping[str, Mapping[str, object]]
# What the reference system has for a kind to be aimed at, by what the kind says that it breaks.
TARGETS: Mapping[str, str] = {
    "hop": "api_redis",
    "hop or service": "api_redis",
    "service": "auth",
    "container": "auth",
    "store": "postgres",
    "`redis`": "redis",
    "service, or `run`": "disk",
    "anything": "nothing",
}
IN_CONTAINERS: Faults = {name: {"target": TARGETS[kind.on], **kind.example} for name, kind in KINDS.items()}
# What only its own runner can start again: not on a stack that outlives its runners.
ENDINGS = {"kill", "terminate", "restart"}
EVERYWHERE: Faults = {
    kind: parameters
    for kind, parameters in IN_CONTAINERS.items()
    if KINDS[kind].needs.processes and kind not in {"noop", *ENDINGS}
}
# What is undone otherwise in containers than in processes; the rest they have in common.
OF_CONTAINERS: Faults = {
    kind: parameters
    for kind, parameters in IN_CONTAINERS.items()
    if (WHOLE_MATRIX and kind != "noop")
    or kind in {"latency", "rst_live", "partition", "packet_loss", "pause", "squeeze", *ENDINGS}
}
# As many as there can be at once, on one stack.
_ELSEWHERE: Faults = {
    "flush_cache": {},
    "fill_disk": {},
    "exhaust_connections": {},
    "latency": {"target": "client_api"},
    "bandwidth": {"target": "client_api", "bytes_per_s": 10_000.0},
    "blackhole_established": {"target": "client_auth"},
    "down": {"target": "api_auth"},
    "packet_loss": {"target": "api_postgres"},
    "partition": {},
    "pause": {},
}
TOGETHER = [(kind, {**IN_CONTAINERS[kind], **other}) for kind, other in _ELSEWHERE.items()]
# Of each means of undoing one: a toxic that is armed beforehand, a packet filter, a signal, a file, connections.
QUICK = {"rst_live", "partition", "pause", "fill_disk", "exhaust_connections"}
# For a start.
BY_HAND = {"down", "fill_disk", "kill", "squeeze"}
# What has no inverse has no step between the undoing and its end.
NOTHING_TO_UNDO = {"flush_cache"}
# What nobody needs to put back once its runner is gone.
GONE_WITH_THE_RUNNER = {"flush_cache", "exhaust_connections"}


@dataclass
class Stage:
    """A stack that outlives its runners, and the folders of their runs."""

    stack: LocalStack | ComposeStack
    runs: Path
    disk: Path | None
    number: int = 0
    rows: list[str] = field(default_factory=list)

    def orders(self, schedule: Sequence[Sequence[object]], **more: object) -> dict[str, Any]:
        self.number += 1
        folder = self.runs / f"run-{self.number:03}"
        folder.mkdir()
        described = describe(self.stack)
        return {"folder": str(folder), "disk": str(self.disk or ""), "stack": described, "schedule": schedule, **more}

    def kill(self, kind: str, parameters: Mapping[str, object], step: str) -> None:
        """Have a runner die at a step of one fault; wait until the stack is clean and note how long that took."""
        with self.died([(kind, parameters)], **STEPS[step]) as (child, ledger):
            self.wait_until_clean(f"{kind} {step}", child, ledger)
            died_s = child.event("dies")["unix_s"]
        log = (ledger.parent / LOG_NAME).read_text()
        assert ("put back f1_" in log) is (step != "closed"), log
        self.note(kind, step, died_s)

    def wait_until_clean(self, what: str, child: Child, ledger: Path) -> None:
        """Wait until the guardian of a runner that died is done and has left nothing; say how far it came if it is not.

        What it tells stands in its log, which is all there is to read when it hangs.
        """
        guardian = child.event("guarded")["pid"]
        try:
            wait_until(what, lambda: lives(guardian) or self.unclean(ledger), limit_s=CLEAN_S, poll_s=0.02)
        except NotReady as error:
            error.add_note((ledger.parent / LOG_NAME).read_text())
            error.add_note(ledger.read_text())
            raise

    @contextlib.contextmanager
    def died(self, faults: Sequence[tuple[str, Mapping[str, object]]], **death: object) -> Iterator[tuple[Child, Path]]:
        """Yield a runner that has died while it played faults, and its ledger."""
        for_s = 0.2 if len(faults) == 1 else 60.0
        orders = self.orders([[0.0, for_s, kind, parameters] for kind, parameters in faults], death=death)
        child = Child(orders)
        try:
            child.event("dies")
            assert child.popen.wait(LIMIT_S) == -signal.SIGKILL
            yield child, Path(orders["folder"]) / FILE_NAME
        finally:
            child.end()

    def heal_by_hand(self, kind: str, parameters: Mapping[str, object]) -> None:
        """Have a runner and its guardian die with a fault in place: that is seen, and put back by hand."""
        with self.died([(kind, parameters)], guardian=True, **STEPS["injected"]) as (_, ledger):
            assert {entry.fault for entry in read_ledger(ledger).open} == {kind}
            if kind not in GONE_WITH_THE_RUNNER:
                assert self.broken() != []
            left = len(describe_residue(self.runs))
            assert left
            began_s = time.time()
            assert len(clear(self.runs)) == left
            wait_until(f"{kind} by hand", lambda: self.unclean(ledger), limit_s=CLEAN_S, poll_s=0.02)
        self.note(kind, "by hand", began_s)

    def kill_amid_all(self) -> None:
        """Have a runner die amid as many faults as there can be at once."""
        together = [(kind, parameters) for kind, parameters in TOGETHER if self.disk or kind != "fill_disk"]
        with self.died(together, after_record=f"injected f{len(together)}_") as (child, ledger):
            self.wait_until_clean("all at once", child, ledger)
            died_s = child.event("dies")["unix_s"]
        assert (ledger.parent / LOG_NAME).read_text().count("put back f") == len(together)
        self.note("all at once", "injected", died_s)

    def note(self, kind: str, step: str, since_s: float) -> None:
        self.rows.append(f"{self.stack.provider:<8} {kind:<22} {step:<9} {time.time() - since_s:6.2f} s")

    def unclean(self, ledger: Path) -> str | None:
        """Return what of the stack is not as it should be."""
        left = [str(entry) for entry in read_ledger(ledger).open] + self.broken()
        return "; ".join(left) or None

    def broken(self) -> list[str]:
        try:
            links = [
                f"{name}: {state}" for name, link in links_of(self.stack).items() if not (state := link.state()).whole
            ]
            seen = {hop.name: canary_of(self.stack, hop.name).observe() for hop in HOPS}
            dumb = [f"{hop}: {sight}" for hop, sight in seen.items() if sight.state is not State.ANSWERED]
            return [*links, *dumb, *firewall.residue(), *self.ballast(), *self.halted()]
        except ChaosError as error:
            return [str(error)]

    def ballast(self) -> list[str]:
        return list(map(str, self.disk.glob(f"{BALLAST_PREFIX}*"))) if self.disk else []

    def halted(self) -> list[str]:
        raise NotImplementedError

    def play_to_the_end(self) -> None:
        """Have one more runner play, after all those that died, and find nothing in its way."""
        schedule = [[0.0, 0.2, "latency", EVERYWHERE["latency"]], [0.0, 0.2, "down", {"target": "api_auth"}]]
        child = Child(self.orders(schedule))
        try:
            assert child.event("ended")["put_back"] == []
            assert child.event("played")["doubts"] == []
            assert child.popen.wait(LIMIT_S) == 0
        finally:
            child.end()
        assert self.broken() == []
        assert describe_residue(self.runs) == []
        written = b"".join(path.read_bytes() for path in self.runs.rglob("*") if path.is_file())
        assert self.stack._password.encode() not in written


def write_table(rows: Sequence[str]) -> None:
    print("", *rows, sep="\n")  # noqa: T201 - for who looks on, with --capture=no
    if TABLE:
        with Path(TABLE).open("a") as file:
            file.write("\n".join(rows) + "\n")


@contextlib.contextmanager
def disk() -> Iterator[Path | None]:
    """Yield a small disk, or None where it may not be made: that takes root."""
    with contextlib.ExitStack() as after:
        made = None
        with contextlib.suppress(pytest.skip.Exception):
            made = after.enter_context(small_disk(DISK_BYTES))
        yield made


def cells(faults: Faults) -> list[object]:
    """Return the (kind, step) pairs to go through: all, or for each kind one in turn and for the first one all.

    Of kinds that are undone by the same means, `make test` goes through one.
    """
    first = "latency"
    others = [kind for kind in faults if kind != first]
    every = {kind: [step for step in STEPS if step != "undoing" or kind not in NOTHING_TO_UNDO] for kind in faults}
    if WHOLE_MATRIX:
        return [(kind, step) for kind, steps in every.items() for step in steps]
    some = [(kind, every[kind][number % len(every[kind])]) for number, kind in enumerate(others)]
    marked = [pytest.param(*cell, marks=[] if cell[0] in QUICK else pytest.mark.thorough) for cell in some]
    return [*((first, step) for step in every[first]), *marked]


def by_hand(faults: Faults) -> list[str]:
    """Return the kinds to heal by hand: all, or a few."""
    return [kind for kind in faults if WHOLE_MATRIX or kind in BY_HAND]


def skip_unless_possible(stage: Stage, kind: str) -> None:
    """Skip, with the reason, what this machine's kernel does not have."""
    needs = KINDS[kind].needs.containers
    reason = firewall.unavailable(None) if "nftables" in needs else None
    reason = reason or (qdisc.unavailable() if "netem" in needs else None)
    reason = "a disk of its own needs root" if kind == "fill_disk" and not stage.disk else reason
    if reason:
        pytest.skip(reason)
