"""What a service's process costs: memory, CPU, descriptors, threads, children, by psutil.

A service may be a tree of processes (PostgreSQL is), and its processes share
pages; summing their RSS would count those once for each. So the tree's memory
is what each process has to itself plus the largest shared part, which for a
single process is its RSS.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping

import psutil

from harness.records import ProcessRef


class ProcessProbe:
    """Reads one service's process tree."""

    def __init__(self, ref: ProcessRef) -> None:
        self.service = ref.service
        self._root = psutil.Process(ref.pid)
        self._created_s = ref.created_s

    def sample(self) -> Mapping[str, float]:
        """Return the tree's figures, sizes in bytes and CPU in seconds since each process began.

        Raises psutil.NoSuchProcess when the service's own process is gone or is another one now.
        """
        with self._root.oneshot():
            # A service of our own that ended stays a zombie until its parent asks; it "runs" and costs nothing.
            ended = not self._root.is_running() or self._root.status() == psutil.STATUS_ZOMBIE
            if ended or abs(self._root.create_time() - self._created_s) > 1:
                raise psutil.NoSuchProcess(self._root.pid, self.service)
            members = [self._root, *self._root.children(recursive=True)]
            figures = [_one(self._root)]
        for child in members[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):  # a child may end between the list and the look
                figures.append(_one(child))
        private, shared, cpu_s, fds, threads = zip(*figures, strict=True)
        return {
            "rss_bytes": sum(private) + max(shared),
            "cpu_s": sum(cpu_s),
            "fds": sum(fds),
            "threads": sum(threads),
            "children": len(figures) - 1,
        }


def _one(process: psutil.Process) -> tuple[float, float, float, float, float]:
    """Return (private bytes, shared bytes, CPU s, descriptors, threads); shared is 0 where the system does not tell."""
    with process.oneshot():
        memory = process.memory_info()
        shared = float(getattr(memory, "shared", 0))
        cpu = process.cpu_times()
        # Windows has handles where the others have descriptors.
        if sys.platform == "win32":
            fds = process.num_handles()
        else:
            fds = process.num_fds()
        return memory.rss - shared, shared, cpu.user + cpu.system, fds, process.num_threads()


def own_figures() -> Mapping[str, float]:
    """Return the harness's own memory (bytes) and CPU (s), without the services it may have for children."""
    private, shared, cpu_s, _, _ = _one(psutil.Process())
    return {"rss_bytes": private + shared, "cpu_s": cpu_s}
