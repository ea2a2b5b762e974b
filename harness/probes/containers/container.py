"""What a container costs: memory, CPU, process ids, network, block IO, from whoever tells it at once.

Where the engine is on this machine the kernel's own files tell; where it is
not (Docker Desktop, another host), the engine's stream of figures does. Which
it is is decided when the container is opened. A polled stats call takes over a
second a container and is made nowhere.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker
import psutil
from docker.errors import NotFound

from harness.identity import runs
from harness.probes.containers.cgroup import Groups, find_groups, parse_net_dev, read_groups
from harness.probes.containers.container_stream import StreamedContainer, lives
from harness.probes.containers.kernel_file import read_file
from harness.probes.reading import Gone, Reading
from harness.records import ContainerRef

# An engine that takes longer hangs.
_ENGINE_LIMIT_S = 5


class GroupedContainer:
    """Reads one container from the files of its control groups, and its network from its first process.

    `restarts` is how often the engine has restarted it by itself.
    """

    def __init__(self, service: str, identity: str, restarts: int, groups: Groups, process: psutil.Process) -> None:
        self.service = service
        self.name = f"container.{service}"
        self.identity = identity
        self.restarts = restarts
        self._groups = groups
        self._process = process
        self._network = None if _shares_our_network(process.pid) else f"/proc/{process.pid}/net/dev"

    def read(self) -> Reading:
        """Return the figures, sizes in bytes and CPU in seconds. Raises Gone once its first process has ended."""
        if not runs(self._process):
            raise Gone
        figures = read_groups(self._groups)
        if self._network:
            figures |= parse_net_dev(read_file(self._network))
        return Reading({f"{self.name}.{figure}": value for figure, value in figures.items()})

    def close(self) -> None:
        """Nothing is held."""


def open_container(ref: ContainerRef) -> GroupedContainer | StreamedContainer:
    """Return what reads a container as it is now; asks its engine, so it may take seconds.

    Raises Gone when it does not run, and docker's or requests' errors.
    """
    with contextlib.ExitStack() as undo:
        client = (
            docker.DockerClient(base_url=ref.engine, timeout=_ENGINE_LIMIT_S)
            if ref.engine
            else docker.from_env(timeout=_ENGINE_LIMIT_S)
        )
        undo.callback(client.close)
        try:
            container = client.containers.get(ref.container_id)
        except NotFound:
            raise Gone from None
        state = container.attrs["State"]
        if not lives(state):
            raise Gone(oom_killed=bool(state.get("OOMKilled")))
        identity = f"container {str(container.id)[:12]}, process {state['Pid']}, started {state['StartedAt']}"
        restarts = int(container.attrs.get("RestartCount", 0))
        if seen := _seen_from_here(str(container.id), state):
            return GroupedContainer(ref.service, identity, restarts, *seen)
        streamed = StreamedContainer(ref.service, identity, restarts, client, container)
        undo.pop_all()
        return streamed


def _seen_from_here(container_id: str, state: Mapping[str, Any]) -> tuple[Groups, psutil.Process] | None:
    """Return the container's groups and first process; None where its engine is not on this machine."""
    if sys.platform != "linux":
        return None
    pid = int(state["Pid"])
    try:
        process = psutil.Process(pid)
        membership = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
        groups = find_groups(Path("/proc/self/mountinfo").read_text(encoding="utf-8"), membership, container_id)
        if "memory_bytes" in read_groups(groups):
            return groups, process
    except (OSError, ValueError, psutil.Error):
        # A process of that id here is another one, or its files are hidden: the engine must tell.
        return None
    return None


def _shares_our_network(pid: int) -> bool:
    """Return whether a container has no network of its own: its figures would be the whole machine's."""
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino == Path("/proc/self/ns/net").stat().st_ino
    except OSError:
        return True  # whose they are cannot be told
