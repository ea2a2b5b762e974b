"""What a service's process costs: memory, CPU, descriptors, threads, children.

A service may be a tree of processes (PostgreSQL is), and its processes share
pages; summing their RSS would count those once for each. So the tree's memory
is what each process has to itself plus the largest shared part, which for a
single process is its RSS.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from harness.probes.processes.cost import Cost, cost_of
from harness.probes.processes.tree import ProcessTree
from harness.probes.reading import Gone, Reading
from harness.records import ProcessRef


class ProcessProbe:
    """Reads one service's process tree. Raises Gone when its process is not there, or is another one now.

    `pids` are the tree's processes as of the last look, the service's own first.
    """

    def __init__(self, ref: ProcessRef, tree: ProcessTree) -> None:
        self.service = ref.service
        self.name = f"process.{ref.service}"
        self.restarts = 0  # nobody counts a process's
        self.pids: tuple[int, ...] = (ref.process.pid,)
        self._pid = ref.process.pid
        self._tree = tree
        own = cost_of(self._pid)
        if own is None or not ref.process.lives:
            raise Gone
        self._began = own.began
        self.identity = f"process {self._pid}, started at {self._began}"

    def read(self) -> Reading:
        """Return the tree's figures, sizes in bytes and CPU in seconds since each process began.

        What the system refuses to tell of any of the processes is missing. Raises Gone.
        """
        own = cost_of(self._pid)
        if own is None or own.began != self._began:
            raise Gone
        tree = self._tree.descendants(self._pid)
        self.pids = (self._pid, *tree)
        figures = _sum([own, *(cost for pid in tree if (cost := cost_of(pid)))])
        values = {f"{self.name}.{figure}": value for figure, value in figures.items() if value is not None}
        return Reading(values, tuple(f"{self.name}.{figure}" for figure in figures if figures[figure] is None))

    def close(self) -> None:
        """Nothing is held."""


def _sum(costs: Sequence[Cost]) -> dict[str, float | None]:
    fds = [cost.fds for cost in costs if cost.fds is not None]
    return {
        "rss_bytes": sum(cost.private_bytes for cost in costs) + max(cost.shared_bytes for cost in costs),
        "vms_bytes": sum(cost.vms_bytes for cost in costs),
        "cpu_s": sum(cost.cpu_s for cost in costs),
        "fds": sum(fds) if len(fds) == len(costs) else None,
        "threads": sum(cost.threads for cost in costs),
        "children": len(costs) - 1,
    }


def own_figures() -> Mapping[str, float]:
    """Return the harness's own memory (bytes) and CPU (s), without the services it may have for children."""
    own = _own()
    return {"rss_bytes": own.rss_bytes, "cpu_s": own.cpu_s}


class OwnProbe:
    """Reads the harness's own process, without the services it may have for children: `harness.runner.FIGURE`."""

    name = "harness.runner"

    def read(self) -> Reading:
        """Look once: RSS in bytes, CPU in seconds, descriptors, threads."""
        own = _own()
        figures = {"rss_bytes": own.rss_bytes, "cpu_s": own.cpu_s, "threads": own.threads}
        if own.fds is not None:
            figures["fds"] = own.fds
        return Reading({f"{self.name}.{figure}": float(value) for figure, value in figures.items()})


def _own() -> Cost:
    own = cost_of(os.getpid())
    assert own is not None  # noqa: S101 - for the type checker: we are here
    return own
