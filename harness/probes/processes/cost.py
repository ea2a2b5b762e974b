"""What one process costs: from two of Linux' own files, and by psutil elsewhere.

psutil opens a file for each question; where there are fifty processes that is
most of what a pass takes. On Linux it reads the same figures, which a test compares.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NamedTuple

import psutil

from harness.probes.containers.kernel_file import read_file

# What follows the name, in brackets, in /proc/PID/stat; see proc_pid_stat(5), which counts from 3.
_STATE, _USER, _SYSTEM, _THREADS, _BEGAN, _VMS = 0, 11, 12, 17, 19, 20
_RESIDENT, _SHARED = 1, 2
_ENDED = (b"Z", b"X")


class Cost(NamedTuple):
    """One process. `began` is when it did, in a unit of the system's own: with the id it tells it from every other.

    `shared_bytes` is 0 where the system does not tell, `fds` (on Windows: handles) None where it refuses to.
    """

    began: float
    private_bytes: float
    shared_bytes: float
    vms_bytes: float
    cpu_s: float
    fds: int | None
    threads: int

    @property
    def rss_bytes(self) -> float:
        """What of its memory is resident."""
        return self.private_bytes + self.shared_bytes


def cost_of(pid: int) -> Cost | None:
    """Return what a process costs now; None of one that ended, also while its parent has not asked for it."""
    return by_linux(pid) if sys.platform == "linux" else by_psutil(pid)


def by_linux(pid: int) -> Cost | None:
    """Return `cost_of` by /proc."""
    try:
        words = read_file(f"/proc/{pid}/stat").rpartition(b") ")[2].split()
        pages = read_file(f"/proc/{pid}/statm").split()
        fds = _linux_fds(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    if words[_STATE] in _ENDED:
        return None
    page_bytes, ticks_per_s = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
    return Cost(
        began=float(words[_BEGAN]),
        private_bytes=float((int(pages[_RESIDENT]) - int(pages[_SHARED])) * page_bytes),
        shared_bytes=float(int(pages[_SHARED]) * page_bytes),
        vms_bytes=float(words[_VMS]),
        cpu_s=(int(words[_USER]) + int(words[_SYSTEM])) / ticks_per_s,
        fds=fds,
        threads=int(words[_THREADS]),
    )


def _linux_fds(pid: int) -> int | None:
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(PermissionError):
        # Since Linux 6.2 the folder's size is their number.
        return os.stat(folder).st_size or len(os.listdir(folder))  # noqa: PTH116, PTH208 - a Path costs more than the call
    return None


def by_psutil(pid: int) -> Cost | None:
    """Return `cost_of` by psutil."""
    # A zombie is one of those that do not exist any more.
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        with process.oneshot():
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            memory, cpu = process.memory_info(), process.cpu_times()
            shared = float(getattr(memory, "shared", 0))
            return Cost(
                began=process.create_time(),
                private_bytes=memory.rss - shared,
                shared_bytes=shared,
                vms_bytes=float(memory.vms),
                cpu_s=cpu.user + cpu.system,
                fds=_psutil_fds(process),
                threads=process.num_threads(),
            )
    return None


def _psutil_fds(process: psutil.Process) -> int | None:
    with contextlib.suppress(psutil.AccessDenied):
        # Windows has handles where the others have descriptors.
        if sys.platform == "win32":
            return process.num_handles()
        return process.num_fds()
    return None
