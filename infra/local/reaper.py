"""Ends a run's children when the runner is gone, by whatever means it went: kill -9 leaves nobody else to do it.

A small process in a session of its own is told over a pipe what was started.
When the pipe closes, or the runner no longer runs although a stray copy of the
pipe is held open, it ends whatever still lives and removes the temporary
folders. Only what it was told of, and only if it is still the same process.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from harness.errors import HeavyweatherError, StackError
from harness.root import ROOT
from harness.signals import ignore
from harness.wait import wait_until
from infra.processes import Living, ServiceProcess, end, find, minimal_environment, own_process, runs

# The pipe tells at once; looking at the runner is for the rare case that a fork of it holds the pipe open.
_LOOK_S = 1.0
# All of them together: whoever started a run again must not meet the last one's children.
_POLITE_S = 4.0
_REMOVED_S = 3.0
# Only folders of ours are ever removed, whatever the pipe says.
FOLDER_PREFIX = "heavyweather-"


class Reaper:
    """The runner's end of the pipe."""

    def __init__(self, run_folder: Path) -> None:
        with (run_folder / "reaper.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "infra.local.reaper", json.dumps(own_process().as_json())],
                cwd=ROOT,
                env=minimal_environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._lock = threading.Lock()

    def watch(self, mark: ServiceProcess) -> None:
        """Have the process ended. Raises StackError when there is nobody left to promise that."""
        self._write(mark.as_json())

    def remove(self, folder: Path) -> None:
        """Have the folder removed. Raises StackError as `watch`."""
        self._write({"remove": str(folder)})

    def close(self) -> None:
        """Let the reaper do what is left to do, and wait for it."""
        with contextlib.suppress(OSError):
            self._pipe.close()
        try:
            self._process.wait(timeout=3 * _POLITE_S)
        except subprocess.TimeoutExpired as error:
            raise StackError(f"the reaper (pid {self._process.pid}) does not finish") from error

    @property
    def _pipe(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: it was started with a pipe
        return self._process.stdin

    def _write(self, message: Mapping[str, object]) -> None:
        try:
            with self._lock:
                self._pipe.write(json.dumps(message).encode() + b"\n")
                self._pipe.flush()
        except (OSError, ValueError) as error:
            raise StackError(f"the reaper is gone ({error}): children would outlive a killed runner") from error


def reap(started: Sequence[Living], folders: Sequence[Path]) -> None:
    """End processes, last started first, then remove folders. Raises StackError or NotReady when something stays."""
    try:
        end([*reversed(started)], limit_s=_POLITE_S)
    finally:
        for folder in folders:
            remove_folder(folder)


def remove_folder(folder: Path) -> None:
    """Remove a temporary folder of ours; harmless when it is gone. Raises NotReady."""
    if not folder.name.startswith(FOLDER_PREFIX):
        return

    def still_there() -> str | None:
        shutil.rmtree(folder, ignore_errors=True)
        return "still there" if folder.exists() else None

    # More than once: a program that was making files in it notices only then.
    wait_until(f"removal of {folder}", still_there, limit_s=_REMOVED_S)


def _follow(pipe: IO[str], runner: Living | None) -> tuple[list[Living], list[Path]]:
    """Read what was started until the runner is gone; return it as (processes, folders)."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in pipe:
            lines.put(line)
        lines.put("")

    # A thread, because Windows cannot wait for a pipe with a limit.
    threading.Thread(target=read, daemon=True).start()
    started: list[Living] = []
    folders: list[Path] = []
    while True:
        try:
            line = lines.get(timeout=_LOOK_S)
        except queue.Empty:
            if runner is None or not runs(runner):
                return started, folders
            continue
        # A runner killed within a write leaves half a line, the last.
        if not line.endswith("\n"):
            return started, folders
        message = json.loads(line)
        if "remove" in message:
            folders.append(Path(message["remove"]))
        # Found at once, so that it is the same process however long from now.
        elif living := find(ServiceProcess.read(message)):
            started.append(living)


def _main(runner: str) -> int:
    # What ends the runner is often sent to everything near it, but this is who cleans up after.
    ignore("SIGINT", "SIGTERM", "SIGHUP")
    started, folders = _follow(sys.stdin, find(ServiceProcess.read(json.loads(runner))))
    left = [f"{living.mark.service} ({living.mark.process.pid})" for living in started if runs(living)]
    if left:
        print("the runner is gone; ending", ", ".join(left), flush=True)  # noqa: T201 - its log
    try:
        reap(started, folders)
    except HeavyweatherError as error:
        print(error, flush=True)  # noqa: T201 - its log
        return 2
    return 0


if __name__ == "__main__":
    # Not sys.exit: the reader may still be blocked in a pipe that a fork of the runner holds open,
    # and Python would wait for its lock on the way out.
    os._exit(_main(*sys.argv[1:]))
