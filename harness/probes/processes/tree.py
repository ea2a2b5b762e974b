"""Which processes descend from which: Linux says it process by process, elsewhere one walk a pass serves all services.

psutil's own search walks every process of the machine once for each service,
which on a machine with many costs more than all the rest of a pass.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from pathlib import Path

import psutil

from harness.probes.containers.kernel_file import read_file


class ProcessTree:
    """Answers for one pass after another; `begin` starts the next."""

    def __init__(self) -> None:
        # A kernel without this file is rare; one without /proc is another system.
        self._told = Path(f"/proc/self/task/{threading.get_native_id()}/children").exists()
        self._children: dict[int, list[int]] = {}

    def begin(self) -> None:
        """Forget what was seen."""
        self._children = {}

    def descendants(self, pid: int) -> list[int]:
        """Return the ids of a process's children, theirs, and so on, parents first."""
        if not self._told and not self._children:
            self._children = _walk()
        found, seen = [pid], {pid}
        for parent in found:
            children = _children(parent) if self._told else self._children.get(parent, [])
            # An id that was used again during the look must not lead in a circle.
            found += [child for child in children if child not in seen]
            seen.update(children)
        return found[1:]


def _children(pid: int) -> list[int]:
    """Return a process's children, whichever of its threads they are of; none of one that ended."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - names are all that is wanted
            found += map(int, read_file(f"/proc/{pid}/task/{thread}/children").split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def _walk() -> dict[int, list[int]]:
    children: dict[int, list[int]] = defaultdict(list)
    for process in psutil.process_iter(["ppid"]):
        if (parent := process.info["ppid"]) is not None:
            children[parent].append(process.pid)
    return dict(children)
