"""Kinship, as Linux tells it and by a walk: the same answer."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from harness.probes.processes.tree import ProcessTree


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    code = f"import subprocess; subprocess.run([{sys.executable!r}, '-c', 'print(flush=True); input()'])"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        yield running
        running.communicate()


def walking() -> ProcessTree:
    tree = ProcessTree()
    tree._told = False
    return tree


def test_both_ways_find_the_same(child: subprocess.Popen[bytes]) -> None:
    (grandchild,) = psutil.Process(child.pid).children()
    assert ProcessTree().descendants(child.pid) == walking().descendants(child.pid) == [grandchild.pid]
    ours = [child.pid, grandchild.pid]
    for tree in (ProcessTree(), walking()):
        assert [pid for pid in tree.descendants(os.getpid()) if pid in ours] == ours


def test_a_walk_serves_one_pass(child: subprocess.Popen[bytes]) -> None:
    tree = walking()
    (before,) = tree.descendants(child.pid)
    child.communicate()
    assert tree.descendants(child.pid) == [before]
    tree.begin()
    assert tree.descendants(child.pid) == []


def test_whoever_is_gone_has_no_children(child: subprocess.Popen[bytes]) -> None:
    child.communicate()
    assert ProcessTree().descendants(child.pid) == walking().descendants(child.pid) == []


def test_an_id_used_again_leads_in_no_circle() -> None:
    tree = walking()
    tree._children = {1: [2, 3], 2: [4], 4: [1, 2]}
    assert tree.descendants(1) == [2, 3, 4]
