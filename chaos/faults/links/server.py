"""How a proxy server that does not answer any more is restarted: plain data, for any process to do later.

The last way out of a wedge, and a hard one: every toxic of every hop is gone
with the old server. So it is tried only once the proxy itself could not be
created again, and only where the provider said how.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil

from chaos.run_container import Place
from harness.errors import ChaosError
from harness.identity import ProcessId, runs
from harness.wait import comes_true

# After SIGKILL only the kernel is waited for.
_KERNEL_S = 3.0
# The starting process may end at once, or live for days and have to collect it: so it is not its child.
_ORPHAN = """
owner=$1; shift
"$@" &
server=$!
[ "$owner" = 0 ] || { while kill -0 "$owner" && kill -0 "$server"; do sleep 0.5; done; kill "$server"; } 2>&- &
"""
_POLL_S = 0.01
_KEPT = ("PATH", "SYSTEMROOT", "TOXIPROXY_AUTH_TOKEN")


class Restart(Protocol):
    """A way to start a server again."""

    def as_args(self) -> Mapping[str, object]:
        """Return it as JSON-safe data without secrets, from which `restart_from` makes it again."""

    def carry_out(self) -> None:
        """End the server and start it, and wait for no answer of it. Raises ChaosError."""


@dataclass(frozen=True, slots=True)
class ProcessRestart:
    """A local server: killed when it is still the same process, and started from the same command line.

    Its output is added to the file `log`. The stack's own records do not know what is started so; it ends with the
    process `owner_pid`, which is the stack's runner, or with 0 only when it is ended.
    """

    process: ProcessId
    command: Sequence[str]
    folder: str
    log: str
    owner_pid: int = 0

    def as_args(self) -> Mapping[str, object]:
        """Return it as data."""
        about = {"command": list(self.command), "folder": self.folder, "log": self.log, "owner_pid": self.owner_pid}
        return {"by": "process", **self.process.args(), **about}

    def carry_out(self) -> None:
        """Kill it and start it again. Raises ChaosError."""
        if process := self.process.find():
            _kill(process)
        # Below "error" it logs each connection several times over.
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | {"LOG_LEVEL": "error"}
        try:
            with Path(self.log).open("ab") as output:
                subprocess.run(
                    ["/bin/sh", "-c", _ORPHAN, "sh", str(self.owner_pid), *self.command],
                    cwd=self.folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    timeout=_KERNEL_S,
                    check=True,
                )
        except (OSError, subprocess.SubprocessError) as error:
            raise ChaosError(f"the server cannot be started again: {error}") from error


@dataclass(frozen=True, slots=True)
class ContainerRestart:
    """A server in a container, restarted by its engine; only where it carries the label of the run."""

    place: Place

    def as_args(self) -> Mapping[str, object]:
        """Return it as data."""
        return {"by": "container", **self.place.args()}

    def carry_out(self) -> None:
        """Have the engine restart it. Raises ChaosError."""
        with self.place.opened() as container:
            if container is None:
                raise ChaosError(f"{self.place.service} cannot be started again: its container is gone")
            # A wedged server does not answer a request to stop.
            container.restart(timeout=0)


def restart_from(args: Mapping[str, Any]) -> Restart:
    """Return the restart that was written as `as_args` says. Raises ChaosError for what is none."""
    makers: Mapping[str, Callable[..., Restart]] = {"process": _of_process, "container": _in_container}
    try:
        fields = dict(args)
        return makers[fields.pop("by")](**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise ChaosError(f"no way to start a server again: {args!r}") from error


def _of_process(*, command: Sequence[str], folder: str, log: str, owner_pid: int = 0, **process: object) -> Restart:
    return ProcessRestart(ProcessId.read(process), command, folder, log, owner_pid)


def _in_container(**place: object) -> ContainerRestart:
    return ContainerRestart(Place.of(place))


def _kill(process: psutil.Process) -> None:
    """Kill a process and see it go; it is left to its parent to collect."""
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
    except psutil.Error as error:
        raise ChaosError(f"the server, process {process.pid}, cannot be ended: {error}") from error
    if not comes_true(lambda: not runs(process), limit_s=_KERNEL_S, poll_s=_POLL_S):
        raise ChaosError(f"the server, process {process.pid}, is still there after SIGKILL")
