"""Connections are closed by the process that holds them; to anybody else they are gone with it, and not before."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from chaos.faults.stores.held import CloseConnections, close_step, hold
from chaos.undo import Step, undo
from harness.errors import HealFailed
from harness.identity import ProcessId
from tests.processes import stranger_to

ACTIONS = {"connections.close": CloseConnections()}


class Held:
    """Slots that only count how often they were closed."""

    closed = 0

    def take(self, most: int, *, limit_s: float) -> str | None:
        raise NotImplementedError

    def give_back(self, count: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.closed += 1

    def __len__(self) -> int:
        return 0


def test_what_this_process_holds_is_closed_once() -> None:
    held, step = Held(), close_step("f1-x")
    assert ACTIONS["connections.close"].remaining(step.args) is None, "nothing was taken yet"
    hold("f1-x", held)
    assert f"process {os.getpid()} holds" in str(ACTIONS["connections.close"].remaining(step.args))
    undo([step], ACTIONS)
    undo([step], ACTIONS)
    assert held.closed == 1


def test_what_another_process_holds_goes_only_with_it() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        args = {"held": "f1-x", **ProcessId.of(psutil.Process(child.pid)).args()}
        with pytest.raises(HealFailed, match=f"process {child.pid} holds its connections f1-x: they go when"):
            undo([Step("connections.close", args)], ACTIONS)
        child.kill()
    undo([Step("connections.close", args)], ACTIONS)


def test_a_process_that_has_our_id_by_now_is_not_the_holder() -> None:
    held = Held()
    hold("f1-y", held)
    stranger = stranger_to(ProcessId.own())
    undo([Step("connections.close", {"held": "f1-y", **stranger.args()})], ACTIONS)
    assert held.closed == 0
    undo([close_step("f1-y")], ACTIONS)
    assert held.closed == 1
