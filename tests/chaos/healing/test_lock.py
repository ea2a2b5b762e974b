"""Turns at a ledger: one process at a time, and one that is killed or forked holds nobody up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from chaos.healing.lock import ledger_lock
from harness.errors import ChaosError
from harness.root import ROOT

LIMIT_S = 20.0
HOLDER = """
import sys
from pathlib import Path
from chaos.healing.lock import ledger_lock
with ledger_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "undo.jsonl"


def test_one_that_is_killed_gives_its_turn_back(ledger: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(ledger)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == b"held"
        with pytest.raises(ChaosError, match="locked by another process"), ledger_lock(ledger, limit_s=0.1):
            pass
        holder.kill()
    with ledger_lock(ledger, limit_s=LIMIT_S):
        assert ledger.read_bytes() == b""


def test_threads_take_turns_and_each_has_it_alone(ledger: Path) -> None:
    inside: list[int] = []
    seen: list[int] = []

    def work(number: int) -> None:
        with ledger_lock(ledger):
            inside.append(number)
            threading.Event().wait(0.01)
            seen.append(len(inside))
            inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    assert seen == [1] * 5


FORKER = """
import os, signal, sys
from pathlib import Path
from chaos.healing.lock import ledger_lock
with ledger_lock(Path(sys.argv[1])):
    fork = os.fork()
    if fork == 0:
        signal.pause()
print(fork, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_fork_holds_no_turn(ledger: Path) -> None:
    command = [sys.executable, "-c", FORKER, str(ledger)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as forker:
        assert forker.stdout is not None
        fork = int(forker.stdout.readline())
        try:
            with ledger_lock(ledger, limit_s=1.0):
                pass
        finally:
            os.kill(fork, signal.SIGKILL)


def test_where_there_is_no_folder_there_is_no_turn(tmp_path: Path) -> None:
    with pytest.raises(ChaosError, match="cannot be opened"), ledger_lock(tmp_path / "nowhere" / "undo.jsonl"):
        pass
