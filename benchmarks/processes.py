"""Runs contestants and the null server as processes of their own, and says what each contestant used.

Every process started here is ended here, by its own id: a contestant has a
limit, and the null server ends when its standard input is closed.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from harness.errors import EnvironmentMissing, HeavyweatherError, NotReady
from harness.root import ROOT

_METER = Path(__file__).with_name("meter.py")
_START_LIMIT_S = 10.0
_CONTROL_LIMIT_S = 10.0
_STOP_LIMIT_S = 5.0
# How much of what a failed contestant said is repeated.
_SAID_CHARACTERS = 2000


class ContestantFailed(HeavyweatherError):
    """A contestant did not end well, so that its figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a process and the children it waited for used, from its start to its end."""

    cpu_s: float
    peak_rss_bytes: int
    took_s: float


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What the null server saw since it was last cleared; `arrivals_s` are its readings of perf_counter."""

    requests: int
    connections: int
    cpu_s: float
    arrivals_s: list[float]


def run_measured(command: Sequence[str], *, limit_s: float) -> Used:
    """Run a command from the repository's root to its end and return what it used.

    Raises ContestantFailed, with the end of what it said, when it fails or takes longer than `limit_s`.
    """
    if not hasattr(os, "wait4"):
        raise EnvironmentMissing("os.wait4", "the benchmarks run on Linux and macOS only")
    # Isolated and without site: the meter must stay small.
    metered = [sys.executable, "-I", "-S", str(_METER), *command]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        # In a session of its own, so that a contestant's children end with it.
        with subprocess.Popen(
            metered, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, start_new_session=True
        ) as process:
            try:
                told, _ = process.communicate(timeout=limit_s)
            except BaseException as error:
                _end_group(process)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise ContestantFailed(_failure(command, f"not over after {limit_s:g} s", said)) from None
                raise
        if process.returncode:
            raise ContestantFailed(_failure(command, "could not be started", said))
        document = json.loads(told)
        if document.pop("exit_status"):
            raise ContestantFailed(_failure(command, "failed", said))
    return Used(**document)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a process and all of its session, so that they can tidy up, and kill what does not end."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_LIMIT_S)
            return


def _failure(command: Sequence[str], what: str, said: Any) -> str:
    said.seek(0)
    text = said.read().strip()[-_SAID_CHARACTERS:]
    return f"{' '.join(command)}: {what}" + (f"; it said:\n{text}" if text else "")


class NullServer:
    """The running null server, seen from outside; `url` is its root."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def arrivals(self) -> Arrivals:
        """Return what came since the last `clear`."""
        return Arrivals(**self._control("GET"))

    def clear(self) -> None:
        """Forget what came so far."""
        self._control("DELETE")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the process for as long as the block lasts: the kernel takes connections and bytes, nobody answers."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def _control(self, method: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_CONTROL_LIMIT_S)
        with contextlib.closing(connection):
            connection.request(method, "/arrivals")
            return json.loads(connection.getresponse().read())


@contextmanager
def null_server() -> Iterator[NullServer]:
    """Start the null server and stop it at the end. Raises NotReady when it does not listen in time."""
    command = [sys.executable, "-m", "benchmarks.null_server"]
    # In a session of its own: a Ctrl-C ends the benchmark, which then ends the server.
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
    ) as process:
        try:
            printed = cast("IO[bytes]", process.stdout)
            ready, _, _ = select.select([printed], [], [], _START_LIMIT_S)
            line = printed.readline() if ready else b""
            if not line.strip().isdigit():
                raise NotReady("the null server", _START_LIMIT_S, f"it printed {line!r}")
            yield NullServer(process, int(line))
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    cast("IO[bytes]", process.stdin).close()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
