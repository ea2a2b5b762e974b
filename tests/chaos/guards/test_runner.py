"""Whose claim is nobody's any more: told by the process where it can be seen, and by its lease where it cannot."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.guards.claim import Claim
from chaos.guards.runner import is_gone, machine, own_runner, told


def claim(runner: str, left_s: float = 100.0) -> Claim:
    return Claim("n1", "run-1", runner, left_s)


def test_a_process_that_runs_is_not_gone_however_late_its_claim() -> None:
    assert not is_gone(claim(own_runner(), left_s=-1e6))
    assert told(claim(own_runner())) == f"run run-1, process {os.getpid()} on this machine, which is alive"


def test_a_process_that_has_ended_is_gone_however_long_its_claim_would_last() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        runner = f"{child.pid}@{psutil.Process(child.pid).create_time():.2f}@{machine()}"
        assert not is_gone(claim(runner))
        child.kill()
    assert is_gone(claim(runner))


def test_an_id_that_is_used_again_is_another_process() -> None:
    assert is_gone(claim(f"{os.getpid()}@{psutil.Process().create_time() - 3600:.2f}@{machine()}"))


@pytest.mark.parametrize("runner", [f"{os.getpid()}@1.00@elsewhere/x", "", "x", "a@b@c", f"x@y@{machine()}"])
def test_of_a_process_that_cannot_be_seen_the_lease_tells(runner: str) -> None:
    assert not is_gone(claim(runner, left_s=0.1))
    assert is_gone(claim(runner, left_s=0.0))
    assert "for 12 s unless it is renewed" in told(claim(runner, left_s=12.3))


@given(st.text(max_size=40), st.floats(-10, 10))
def test_whatever_stands_there_is_judged(runner: str, left_s: float) -> None:
    with contextlib.suppress(ValueError):
        assert is_gone(claim(runner, left_s)) in {True, False}
    assert told(claim(runner, left_s)).startswith("run run-1")
