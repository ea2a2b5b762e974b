"""What a process passes on of its signals to a child, told by the child's own masks of ignored signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.signals import handle_inherited, ignore, ignores

ROOT = Path(__file__).resolve().parents[2]
STOPPING = ("SIGINT", "SIGTERM", "SIGHUP")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# Tells what it ignores itself and what a child of its ignores, before and after it has called the module.
PROGRAM = f"""
import json, os, signal, subprocess, sys
from harness.signals import handle_inherited, ignore, ignores
stopping = [getattr(signal, name) for name in {STOPPING}]
read = "import sys; print(*[l.split()[1] for l in open('/proc/self/status') if l.startswith('SigIgn')])"
def child():
    mask = int(subprocess.run([sys.executable, "-c", read], capture_output=True, check=True).stdout, 16)
    return [n.name for n in stopping if mask & 1 << (n - 1)]
def own():
    return [n.name for n in stopping if ignores(n)]
told = [own(), child()]
exec(sys.argv[1])
told += [own(), child()]
for number in [n for n in stopping if ignores(n)]:
    os.kill(os.getpid(), number)
print(json.dumps(told), flush=True)
os.kill(os.getpid(), signal.SIGINT)
"""


def started(call: str, trapped: str) -> tuple[list[list[str]], int]:
    """Run the program from a shell that ignores what is trapped; return what it told, and how it ended."""
    command = ["sh", "-c", f'trap "" {trapped}; exec "$@"', "sh", sys.executable, "-c", PROGRAM, call]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=30, check=False)
    return json.loads(done.stdout), done.returncode


def test_the_inherited_ones_stop_it_but_for_a_hangup_and_its_children_ignore_none() -> None:
    told, code = started("handle_inherited()", "INT TERM HUP")
    assert told == [[*STOPPING], [*STOPPING], ["SIGHUP"], []]
    assert code == -signal.SIGINT


def test_what_is_ignored_here_is_not_ignored_by_a_child() -> None:
    told, code = started(f"ignore(*{STOPPING})", "QUIT")
    assert told == [[], [], [*STOPPING], []]
    assert code == 0


def test_what_was_not_ignored_is_let_be() -> None:
    def own(_number: int, _frame: object) -> None:
        """Stand for somebody's own handler."""

    before = signal.signal(signal.SIGTERM, own)
    try:
        handle_inherited()
        assert signal.getsignal(signal.SIGTERM) is own
        assert not ignores(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_one_that_this_system_lacks_does_not_matter() -> None:
    ignore("SIGNONE")
    os.kill(os.getpid(), 0)
