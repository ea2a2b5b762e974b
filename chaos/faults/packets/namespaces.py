"""Network namespaces of containers: found by their first process, entered by one command at a time. Linux only.

What is written down may be acted on long after a container has ended and its
process's id has become another's, so a namespace is entered only while the
process that it was found by still runs; when that is gone, so is all that was
in there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from chaos.run_container import Place
from harness.errors import ChaosError, Unsupported
from harness.identity import ProcessId
from harness.records import ContainerRef

# These commands speak to the kernel alone; one that needs longer hangs.
_COMMAND_S = 10.0
# Where system commands are, on any PATH.
_SYSTEM_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"


def namespace_from(args: Mapping[str, object]) -> ProcessId | None:
    """Return the process whose namespace a step names, or None where it names none: our own."""
    return ProcessId.read(args) if "pid" in args else None


def namespace_of(ref: ContainerRef, run: str) -> ProcessId:
    """Return a process in the network namespace of a running container that is labelled with the run.

    Raises Refused when it is not, Unsupported where its namespace is unknown or not its own, ChaosError.
    """
    if sys.platform != "linux":
        raise Unsupported(f"{ref.service}: only Linux has network namespaces to enter")
    with Place(ref.service, ref.engine, ref.container_id, run).opened() as container:
        pid, whole = (int(container.attrs["State"]["Pid"]), str(container.id)) if container else (0, "")
    if not pid:
        raise ChaosError(f"{ref.service}: its container does not run")
    try:
        namespace = ProcessId.of(psutil.Process(pid))
        # A process of that id here may be another one.
        ours = whole in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
    except (OSError, psutil.Error):
        ours = False
    if not ours:
        raise Unsupported(f"{ref.service}: its engine is not on this machine, so its namespace cannot be entered")
    try:
        shared = Path(f"/proc/{pid}/ns/net").stat().st_ino == Path("/proc/self/ns/net").stat().st_ino
    except OSError as error:
        raise Unsupported(f"{ref.service}: its network namespace may not be entered: {error.strerror}") from error
    if shared:
        raise Unsupported(f"{ref.service}: its container has no network of its own")
    return namespace


def find_command(name: str) -> str | None:
    """Return where a system command is, or None."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), _SYSTEM_PATH]))


def run_in(
    namespace: ProcessId | None, command: Sequence[str], *, text: str = ""
) -> subprocess.CompletedProcess[str] | None:
    """Run a system command in a namespace (None: our own) and return how it ended; None when the namespace is gone.

    `text` is its input. Raises ChaosError when it cannot be run or does not end in time.
    """
    try:
        if namespace is None:
            return _run(command, text, ())
        with _opened(namespace) as descriptor:
            if descriptor is None:
                return None
            return _run(["nsenter", f"--net=/proc/self/fd/{descriptor}", *command], text, (descriptor,))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ChaosError(f"{command[0]} could not be run: {error}") from error


@contextlib.contextmanager
def _opened(namespace: ProcessId) -> Iterator[int | None]:
    """Hold a namespace open; None when its process is gone."""
    descriptor = None
    process = namespace.find()
    if process is not None:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            descriptor = os.open(f"/proc/{namespace.pid}/ns/net", os.O_RDONLY)
    try:
        # Only now is it known whose was opened.
        yield descriptor if process is not None and process.is_running() else None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _run(command: Sequence[str], text: str, descriptors: Sequence[int]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [find_command(command[0]) or command[0], *command[1:]],
        input=text,
        capture_output=True,
        text=True,
        timeout=_COMMAND_S,
        check=False,
        pass_fds=descriptors,
        # A Ctrl-C in the terminal is for us: what is being undone is undone.
        start_new_session=True,
        # What is said must be the same everywhere.
        env={"PATH": os.pathsep.join([os.environ.get("PATH", ""), _SYSTEM_PATH]), "LC_ALL": "C"},
    )
