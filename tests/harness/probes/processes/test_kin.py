"""Kinship, as Linux tells it and by a walk: the same answer."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from harness.probes.processes.kin import Kin


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    code = f"import subprocess; subprocess.run([{sys.executable!r}, '-c', 'print(flush=True); input()'])"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        yield running
        running.communicate()


def walking() -> Kin:
    kin = Kin()
    kin._told = False
    return kin


def test_both_ways_find_the_same(child: subprocess.Popen[bytes]) -> None:
    (grandchild,) = psutil.Process(child.pid).children()
    assert Kin().descendants(child.pid) == walking().descendants(child.pid) == [grandchild.pid]
    ours = [child.pid, grandchild.pid]
    for kin in (Kin(), walking()):
        assert [pid for pid in kin.descendants(os.getpid()) if pid in ours] == ours


def test_a_walk_serves_one_pass(child: subprocess.Popen[bytes]) -> None:
    kin = walking()
    (before,) = kin.descendants(child.pid)
    child.communicate()
    assert kin.descendants(child.pid) == [before]
    kin.begin()
    assert kin.descendants(child.pid) == []


def test_whoever_is_gone_has_no_children(child: subprocess.Popen[bytes]) -> None:
    child.communicate()
    assert Kin().descendants(child.pid) == walking().descendants(child.pid) == []


def test_an_id_used_again_leads_in_no_circle() -> None:
    kin = walking()
    kin._children = {1: [2, 3], 2: [4], 4: [1, 2]}
    assert kin.descendants(1) == [2, 3, 4]
