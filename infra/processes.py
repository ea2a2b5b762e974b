"""Child processes: started with nothing of ours but a log, ended politely and then hard, within limits.

What is written down of them may be acted on days later, and must never end a
stranger: see `harness.identity`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness import identity
from harness.errors import StackError
from harness.identity import ProcessId
from harness.wait import comes_true

# A graceful service takes up to 3 s, a PostgreSQL that has much to write a little more.
STOP_S = 5.0
# After SIGKILL only the kernel's own clean-up is waited for.
_KILL_S = 5.0
# A child waits for one line before it becomes its program. If the runner is killed before it has told anybody of the
# child, the pipe closes instead and the child ends by itself, so there is no moment at which one could be lost.
_GATE = 'read -r _ && exec "$@" </dev/null'
_TAIL_LINES = 12
_TAIL_BYTES = 8192


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    """A service's process, and the signal that asks it to stop."""

    service: str
    process: ProcessId
    stop: str = "SIGTERM"

    @classmethod
    def read(cls, args: Mapping[str, object]) -> ServiceProcess:
        """Return what `as_json` wrote. Raises KeyError or ValueError."""
        return cls(str(args["service"]), ProcessId.read(args), str(args["stop"]))

    def as_json(self) -> dict[str, object]:
        """Return it as JSON-safe values."""
        return {"service": self.service, **self.process.args(), "stop": self.stop}


@dataclass(frozen=True, slots=True)
class Living:
    """A marked process that was seen to run; holding it makes its identity independent of the wall clock."""

    mark: ServiceProcess
    process: psutil.Process


@dataclass(frozen=True, slots=True)
class Program:
    """What to start. `user` is an account to run as, possible only for root."""

    service: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    stop: str = "SIGTERM"
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Child:
    """A program that was started."""

    living: Living
    log: Path
    popen: subprocess.Popen[bytes]

    @property
    def mark(self) -> ServiceProcess:
        """Its mark, to be written down."""
        return self.living.mark

    def trouble(self) -> str | None:
        """Return None while it runs, otherwise how it ended, with the last lines of its log."""
        code = self.popen.poll()
        if code is None:
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
        return f"{self.mark.service} {how}; the end of {self.log}:\n{tail(self.log)}"


def minimal_environment(**more: str) -> dict[str, str]:
    """Return an environment with what a program cannot do without, and `more`: a run must not depend on the shell's."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TMPDIR") if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", **more}


def start(program: Program, run_folder: Path, *, announce: Callable[[Child], None] | None = None) -> Child:
    """Start a program in a session of its own, its output in `run_folder/SERVICE.log`. POSIX only.

    `announce` is told of the child before its program begins. Raises StackError, and what `announce` raises;
    then the program never begins.
    """
    if shutil.which(program.command[0]) is None:
        raise StackError(f"{program.service}: cannot start {program.command[0]}: no such program")
    log = run_folder / f"{program.service}.log"
    try:
        with log.open("ab") as output:
            # Its own session: a Ctrl-C in the terminal is for us, who then end it in order.
            popen = subprocess.Popen(
                ("/bin/sh", "-c", _GATE, "sh", *program.command),
                cwd=program.folder,
                env=dict(program.environment),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                close_fds=True,
                start_new_session=True,
                user=program.user,
                group=group_of(program.user) if program.user else None,
                extra_groups=[] if program.user else None,
            )
    except OSError as error:
        raise StackError(f"{program.service}: cannot start {program.command[0]}: {error}") from error
    # Until it is collected its id cannot be another's, so this finds it even when it has ended already.
    process = psutil.Process(popen.pid)
    child = Child(Living(ServiceProcess(program.service, _id_of(process), program.stop), process), log, popen)
    assert popen.stdin is not None  # noqa: S101 - for the type checker: it was started with a pipe
    with contextlib.suppress(BrokenPipeError), popen.stdin as gate:
        if announce:
            announce(child)
        gate.write(b"\n")
    return child


def own_process() -> ServiceProcess:
    """Return the mark of this process itself, called the runner."""
    return ServiceProcess("runner", ProcessId.own())


def find(mark: ServiceProcess) -> Living | None:
    """Return the marked process if it still runs; one that only waits to be collected by its parent is gone."""
    process = mark.process.find()
    return Living(mark, process) if process else None


def runs(living: Living) -> bool:
    """Whether a process found before still runs."""
    return identity.runs(living.process)


def end(roots: Sequence[Living], *, limit_s: float = STOP_S) -> None:
    """End processes and all below them: asked at once, in this order, and killed after `limit_s` seconds.

    Raises StackError when something survives even that.
    """
    family = [process for root in roots for process in (root.process, *_descendants(root.process))]
    for root in roots:
        _signal(root.process, root.mark.stop)
    for process in family:
        # A process that chaos had paused would never see the request.
        _signal(process, "SIGCONT")
    if _all_gone(family, limit_s):
        return
    # Looked for again: something may have been born after the first look.
    family += [process for member in family for process in _descendants(member)]
    for process in family:
        _signal(process, "SIGKILL")
    if not _all_gone(family, _KILL_S):
        raise StackError(f"still alive after SIGKILL: {', '.join(str(p.pid) for p in family if identity.runs(p))}")


def tail(log: Path, *, lines: int = _TAIL_LINES) -> str:
    """Return the last lines of a log, indented, or a word on why there are none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError as error:
        return f"  (not readable: {error.strerror})"
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:]) or "  (empty)"


def group_of(user: str) -> int:
    """Return an account's own group; POSIX only."""
    import pwd  # noqa: PLC0415 - POSIX only, like running as somebody else

    return pwd.getpwnam(user).pw_gid


def _id_of(process: psutil.Process) -> ProcessId:
    try:
        return ProcessId.of(process)
    except psutil.Error:
        # Gone already, on a system that then no longer tells.
        return ProcessId(process.pid, time.time())


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _signal(process: psutil.Process, name: str) -> None:
    # psutil looks at the creation time again before it sends anything.
    with contextlib.suppress(psutil.Error):
        if os.name == "posix":
            process.send_signal(getattr(signal, name))
        elif name != "SIGCONT":
            # Windows has only the hard end, and knows no pause to wake from.
            process.terminate()


def _all_gone(family: Sequence[psutil.Process], limit_s: float) -> bool:
    return comes_true(lambda: not any(map(identity.runs, family)), limit_s=limit_s, poll_s=0.02)
