"""The guardian's own process: heals what a run has broken when its runner is gone, or hangs.

In a session of its own it holds a lease that the runner renews over a pipe. It
acts when the pipe closes, when the runner no longer runs although a stray copy
of the pipe is held open, when the lease is not renewed, and, for a single
fault, when that has outlived itself. What it knows is in the undo ledger, and
nothing else.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import queue
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from chaos.healing.ledger import TAKEN_NAME, Records, UndoEntry, read_ledger
from chaos.healing.lock import ledger_lock
from harness.errors import ChaosError
from harness.identity import runs
from harness.signals import ignore

# Its words to the runner. Any other is something that it has done.
READY, ALIVE = "ready", "alive"
# The pipe reports an end at once; polling is for a runner that hangs, a fork that holds the pipe open, and old faults.
_LOOK_S = 0.25
# What was undone while the runner lives is undone again after so long: it may have gone on to break it.
_AGAIN_S = 10.0


class GuardianProcess:
    """The guardian of one ledger, whose lease is lost after `lease_s` seconds; what resists is tried for `insist_s`."""

    def __init__(self, ledger: Path, *, lease_s: float, insist_s: float) -> None:
        self._ledger = ledger
        self._lease_s = lease_s
        self._insist_s = insist_s
        past = read_ledger(ledger)
        if past.runner is None:
            raise ChaosError(f"{ledger}: not begun by any runner")
        self._part = past.part
        self._runner = past.runner.find()
        self._taken = False
        self._again_s = 0.0
        self._size_bytes = -1
        self._due_unix_s = math.inf
        self._told: set[str] = set()

    def run(self) -> int:
        """Watch until the runner is gone, then heal; return the exit code."""
        pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        # A thread, because Windows cannot wait for a pipe with a limit.
        threading.Thread(target=_read, args=(pieces,), daemon=True).start()
        _say(READY)
        # The runner waits for no more than that: what undoes faults takes longest to load, and is there before one.
        importlib.import_module("chaos.healing.heal")
        heard_s = time.monotonic()
        while True:
            try:
                if not pieces.get(timeout=_LOOK_S):
                    return self._end("the pipe to the runner closed")
                heard_s = time.monotonic()
                _say(ALIVE)
            except queue.Empty:
                if self._runner is None or not runs(self._runner):
                    return self._end("the runner no longer runs")
            silent_s = time.monotonic() - heard_s
            lost = silent_s > self._lease_s and not self._taken
            if time.monotonic() >= self._again_s and (lost or self._due()):
                self._look(f"the runner has been silent for {silent_s:.1f} s" if lost else None)

    def _due(self) -> bool:
        """Whether there is something to undo although the runner lives; the ledger is read when it has grown."""
        with contextlib.suppress(OSError, ChaosError):
            size_bytes = self._ledger.stat().st_size
            if size_bytes != self._size_bytes:
                opened = read_ledger(self._ledger).open
                self._size_bytes = size_bytes
                self._due_unix_s = min((entry.expires_unix_s for entry in opened), default=math.inf)
        return time.time() >= (-math.inf if self._taken and self._due_unix_s < math.inf else self._due_unix_s)

    def _look(self, lost: str | None) -> None:
        """Undo what has outlived itself; everything, and have nothing broken any more, where the runner is lost."""
        try:
            with ledger_lock(self._ledger):
                if lost:
                    self._take(lost)
                opened = read_ledger(self._ledger).open
                old = [entry for entry in opened if entry.expires_unix_s <= time.time()]
                if self._taken and opened:
                    # Closed only at the end: a runner that goes on may have been about to break something.
                    self._heal(opened, for_good=False)
                elif old:
                    self._heal(old, for_good=True)
        except ChaosError as error:
            self._tell(str(error))
            self._again_s = time.monotonic() + _AGAIN_S

    def _end(self, why: str) -> int:
        """Undo what is open unless a process has begun another part of the run, having undone it before."""
        if not self._ledger.exists():
            return 0
        try:
            with ledger_lock(self._ledger):
                past = read_ledger(self._ledger)
                if past.part != self._part or not past.open:
                    return 0
                if not self._taken:
                    self._take(why)
                return 0 if self._heal(past.open, for_good=True) else 2
        except ChaosError as error:
            self._tell(str(error))
            return 2

    def _take(self, why: str) -> None:
        """Have nothing broken any more, in the one way that the runner cannot miss, then report it."""
        self._taken = True
        # On a full disk the runner is notified by its pipe alone.
        with contextlib.suppress(OSError):
            self._ledger.with_name(TAKEN_NAME).touch()
        self._tell(f"took over at {_now()}: {why}")
        with contextlib.suppress(ChaosError), contextlib.closing(Records(self._ledger)) as records:
            records.tell("guardian", why=why, unix_s=time.time())

    def _heal(self, entries: Sequence[UndoEntry], *, for_good: bool) -> bool:
        from chaos.healing.actions import ACTIONS  # noqa: PLC0415 - loaded once the runner has been answered
        from chaos.healing.heal import heal  # noqa: PLC0415 - as above

        healing = heal(self._ledger, entries, ACTIONS, by="guardian", limit_s=self._insist_s, for_good=for_good)
        for line in healing.put_back:
            self._tell(f"put back {line}")
        for line in healing.resisting:
            self._tell(f"could not put back {line}")
        if not for_good or healing.resisting:
            self._again_s = time.monotonic() + _AGAIN_S
        return not healing.resisting

    def _tell(self, word: str) -> None:
        """Say it once, to the runner and in the log."""
        if word not in self._told:
            self._told.add(word)
            _say(" ".join(word.split()))
            with contextlib.suppress(OSError):
                print(_now(), word, file=sys.stderr, flush=True)  # noqa: T201 - its log


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _read(pieces: queue.SimpleQueue[bytes]) -> None:
    piece = b"\n"
    while piece:
        try:
            piece = os.read(sys.stdin.fileno(), 4096)
        except OSError:
            piece = b""
        pieces.put(piece)


def _say(word: str) -> None:
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), word.encode() + b"\n")


def _main(ledger: str, lease_s: str, insist_s: str) -> int:
    # What ends the runner is often sent to everything near it, but this is who cleans up after.
    ignore("SIGINT", "SIGTERM", "SIGHUP")
    try:
        guardian = GuardianProcess(Path(ledger), lease_s=float(lease_s), insist_s=float(insist_s))
    except ChaosError as error:
        print(_now(), error, file=sys.stderr)  # noqa: T201 - its log
        return 2
    return guardian.run()


if __name__ == "__main__":
    # Not sys.exit: the reader may still be blocked in a pipe that a fork of the runner holds open,
    # and Python would wait for its lock on the way out.
    os._exit(_main(*sys.argv[1:]))
