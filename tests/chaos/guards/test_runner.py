"""Whose claim is nobody's any more: told by the process where it can be seen, and by its lease where it cannot."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.guards.claim import Claim
from chaos.guards.runner import describe, is_gone, is_own, machine, own_runner
from harness.identity import ProcessId
from tests.processes import stranger_to


def claim(runner: str, left_s: float = 100.0) -> Claim:
    return Claim("n1", "run-1", runner, left_s)


def test_a_process_that_runs_is_not_gone_however_late_its_claim() -> None:
    assert not is_gone(claim(own_runner(), left_s=-1e6))
    assert describe(claim(own_runner())) == f"run run-1, process {os.getpid()} on this machine, which is alive"


def test_a_process_that_has_ended_is_gone_however_long_its_claim_would_last() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = ProcessId.of(psutil.Process(child.pid))
        runners = [f"{process}@{machine()}", f"{process.pid}@{process.created_s:.2f}@{machine()}"]
        assert not any(is_gone(claim(runner)) or is_own(claim(runner)) for runner in runners)
        child.kill()
    assert all(is_gone(claim(runner)) for runner in runners)


def test_an_id_that_is_used_again_is_another_process() -> None:
    own = ProcessId.own()
    for runner in (f"{stranger_to(own)}", f"{own.pid}@{own.created_s - 3600:.2f}"):
        assert is_gone(claim(f"{runner}@{machine()}"))
        assert not is_own(claim(f"{runner}@{machine()}"))


def test_a_claim_of_this_process_is_its_own_whatever_the_clock_says_by_now() -> None:
    own = ProcessId.own()
    assert is_own(claim(own_runner()))
    assert is_own(claim(f"{replace(own, created_s=own.created_s - 3600)}@{machine()}"))


@pytest.mark.parametrize(
    "runner",
    [f"{os.getpid()}@1.00@elsewhere/x", "", "x", "a@b@c", f"x@y@{machine()}"],
    ids=["elsewhere", "empty", "word", "no numbers", "no numbers here"],
)
def test_of_a_process_that_cannot_be_seen_the_lease_tells(runner: str) -> None:
    assert not is_gone(claim(runner, left_s=0.1))
    assert is_gone(claim(runner, left_s=0.0))
    assert "for 12 s unless it is renewed" in describe(claim(runner, left_s=12.3))


@given(st.text(max_size=40), st.floats(-10, 10))
def test_whatever_stands_there_is_judged(runner: str, left_s: float) -> None:
    with contextlib.suppress(ValueError):
        assert is_gone(claim(runner, left_s)) in {True, False}
    assert describe(claim(runner, left_s)).startswith("run run-1")
