"""Telling the stack of a living runner from what a dead one left."""

import subprocess
import sys

import psutil
from hypothesis import given
from hypothesis import strategies as st

from harness.identity import ProcessId
from harness.records import RUN_LABEL
from infra.compose.projects import BY_HAND, RUNNER_LABEL, _orphaned, is_alive
from tests.processes import stranger_to


def test_this_process_is_alive() -> None:
    own = ProcessId.own()
    assert is_alive(str(own))
    assert is_alive(f"{own.pid}@{own.created_s:.2f}"), "as earlier versions labelled it"


def test_a_process_that_ended_is_not() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        runner = str(ProcessId.of(psutil.Process(process.pid)))
        assert is_alive(runner)
        process.communicate(b"\n")
    assert not is_alive(runner)


def test_an_id_that_was_used_again_is_another_process() -> None:
    own = ProcessId.own()
    assert not is_alive(str(stranger_to(own)))
    assert not is_alive(f"{own.pid}@{own.created_s - 60.0:.2f}")


def test_a_stack_started_by_hand_is_nobodys_to_remove() -> None:
    assert _orphaned({RUN_LABEL: "a-run"})
    assert not _orphaned({RUN_LABEL: "a-run", RUNNER_LABEL: str(ProcessId.own())})
    assert not _orphaned({RUN_LABEL: BY_HAND})


@given(st.text(alphabet="0123456789@/.-ex \N{SUPERSCRIPT TWO}"))
def test_whatever_a_label_says_nobody_unknown_is_taken_for_alive(text: str) -> None:
    assert not is_alive(text)
