"""The undo ledger: what would undo a fault is on the disk before the fault is injected.

One line of JSON a record, each forced to the disk before the call returns; a
line that a kill or a full disk cut short says nothing, since what it was about
had not begun. An entry is open until its undoing has been verified. Once the
guardian has taken a runner for dead, that runner breaks nothing any more.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path

from chaos.healing.lock import ledger_lock
from chaos.undo import Step
from harness.errors import ChaosError
from harness.identity import ProcessId

FILE_NAME = "undo.jsonl"
# Made beside the ledger, before the first undoing, by a guardian that has lost its runner.
TAKEN_NAME = "undo.taken"


@dataclass(frozen=True, slots=True)
class UndoEntry:
    """One fault that may have to be undone: its name in the run, what it is, the steps, and when it outlives itself.

    `expires_unix_s` is in seconds since the Unix epoch: past it, the guardian undoes it in any case.
    """

    name: str
    fault: str
    target: str
    steps: tuple[Step, ...]
    expires_unix_s: float

    def __str__(self) -> str:
        return f"{self.name} ({self.fault} on {self.target})"


@dataclass(frozen=True, slots=True)
class LedgerState:
    """What a ledger says: who has broken things last, in which part of the run (the first is 1), and what is open.

    Before a runner has begun it, it has none, and its part is 0.
    """

    runner: ProcessId | None
    part: int
    open: tuple[UndoEntry, ...]


class Records:
    """Appends records to a ledger, beside other processes; its methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises ChaosError."""
        self.path = path
        self._lock = threading.Lock()
        try:
            # No buffer: what a full disk refused once must not come after all, amid later records.
            self._file: FileIO = path.open("ab", buffering=0)
            self._line_begins = not path.stat().st_size or path.read_bytes().endswith(b"\n")
        except OSError as error:
            raise ChaosError(f"the undo ledger {path} cannot be opened: {error}") from error

    def shut(self, name: str, **detail: object) -> None:
        """Write down that a fault is undone, verified. Raises ChaosError."""
        self._write({"record": "closed", "name": name, **detail})

    def tell(self, record: str, **detail: object) -> None:
        """Write down something that opens and closes nothing. Raises ChaosError."""
        self._write({"record": record, **detail})

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _write(self, record: Mapping[str, object]) -> None:
        line = json.dumps(record).encode() + b"\n"
        try:
            with self._lock:
                # What was cut short must not spoil this line.
                whole = line if self._line_begins else b"\n" + line
                self._line_begins = False
                # Of the last bytes that a disk has room for, some are taken without a word; the rest is then refused.
                while whole:
                    whole = whole[self._file.write(whole) or 0 :]
                self._line_begins = True
                os.fsync(self._file.fileno())
        except (OSError, ValueError) as error:
            raise ChaosError(f"the undo ledger {self.path} cannot be written: {error}") from error


class Ledger(Records):
    """The runner's own end of the ledger of one run folder."""

    def __init__(self, folder: Path) -> None:
        """Begin the ledger, or a new part of it where a killed part of the run has left one.

        Raises ChaosError when it cannot be written, when that part's faults are not undone yet, or when its
        runner is alive.
        """
        path = folder / FILE_NAME
        with ledger_lock(path):
            past = read_ledger(path)
            if past.open:
                raise ChaosError(f"{path}: not undone yet: {', '.join(map(str, past.open))}; `nox -s heal` undoes it")
            if past.runner and past.runner.pid != os.getpid() and past.runner.lives:
                raise ChaosError(f"{path}: its runner (process {past.runner.pid}) is still at work")
            super().__init__(path)
            try:
                # It was taken from the earlier part; where it cannot be removed, nothing can be broken.
                with contextlib.suppress(OSError):
                    path.with_name(TAKEN_NAME).unlink(missing_ok=True)
                _sync_folder(folder)
                self.tell("runner", **ProcessId.own().args(), unix_s=time.time())
            except BaseException:
                self.close()
                raise

    def open(self, entry: UndoEntry) -> None:
        """Write down what will undo a fault; when this returns, it may be done. Raises ChaosError: then it may not."""
        steps = [{"action": step.action, "args": dict(step.args)} for step in entry.steps]
        about = {"fault": entry.fault, "target": entry.target, "expires_unix_s": entry.expires_unix_s}
        self._write({"record": "open", "name": entry.name, **about, "steps": steps})
        # After the write: a guardian that takes over now reads the entry, one that did before is seen here.
        self._refuse_if_taken()

    def mark(self, name: str, step: str) -> None:
        """Write down how far a fault has come: injected, healing. Raises ChaosError."""
        self._write({"record": step, "name": name})
        # Were we stopped between the opening and the fault, the guardian may have undone what was not there yet.
        self._refuse_if_taken()

    def _refuse_if_taken(self) -> None:
        if self.path.with_name(TAKEN_NAME).exists():
            raise ChaosError("the guardian took this runner for dead and has undone its faults: nothing may be broken")


def read_ledger(path: Path) -> LedgerState:
    """Return what a ledger says, its open entries in the order they were opened; of none, that nothing is open.

    Raises ChaosError when it cannot be read, or holds a whole line that no ledger would hold.
    """
    entries: dict[str, UndoEntry] = {}
    runner: ProcessId | None = None
    part = 0
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return LedgerState(None, 0, ())
    except OSError as error:
        raise ChaosError(f"the undo ledger {path} cannot be read: {error}") from error
    for line in filter(None, lines):
        try:
            record = json.loads(line)
        except ValueError:
            continue  # cut short: its fault was never begun
        try:
            if record["record"] == "runner":
                runner = ProcessId.read(record)
                part += 1
            elif record["record"] == "open":
                entry = _entry(record)
                if again := entries.pop(entry.name, None):
                    entry = replace(entry, steps=again.steps + entry.steps)
                entries[entry.name] = entry
            elif record["record"] == "closed":
                entries.pop(record["name"], None)
        except (KeyError, TypeError, ValueError) as error:
            raise ChaosError(f"the undo ledger {path} holds what no ledger would: {line[:200]!r}") from error
    return LedgerState(runner, part, tuple(entries.values()))


def _entry(record: Mapping[str, object]) -> UndoEntry:
    steps = record["steps"]
    if not isinstance(steps, Sequence) or not all(isinstance(step["args"], Mapping) for step in steps):
        raise TypeError(steps)
    return UndoEntry(
        name=str(record["name"]),
        fault=str(record["fault"]),
        target=str(record["target"]),
        steps=tuple(Step(str(step["action"]), step["args"]) for step in steps),
        expires_unix_s=float(str(record["expires_unix_s"])),
    )


def _sync_folder(folder: Path) -> None:
    """Force the ledger's name to the disk as well; where a folder cannot be opened, the system does it by itself."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
