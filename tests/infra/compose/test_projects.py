"""Telling the stack of a living runner from what a dead one left."""

import subprocess
import sys

import psutil
from hypothesis import given
from hypothesis import strategies as st

from infra.compose.projects import is_alive, runner_identity


def test_this_process_is_alive() -> None:
    assert is_alive(runner_identity())


def test_a_process_that_ended_is_not() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        runner = f"{process.pid}@{psutil.Process(process.pid).create_time():.2f}"
        assert is_alive(runner)
        process.communicate(b"\n")
    assert not is_alive(runner)


def test_an_id_that_was_used_again_is_another_process() -> None:
    pid, _, created = runner_identity().partition("@")
    assert not is_alive(f"{pid}@{float(created) - 60.0:.2f}")


@given(st.text(alphabet="0123456789@.-ex \N{SUPERSCRIPT TWO}"))
def test_whatever_a_label_says_nobody_unknown_is_taken_for_alive(text: str) -> None:
    assert not is_alive(text)
