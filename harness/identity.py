"""One process told from every other: ids alone are used again, and the wall clock is corrected.

What is written down may be acted on days later, by another process, and must
never reach a stranger. So a process is known by its id, the ticks since boot at
which it started, and the boot: compared exactly, none of them moved by a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

# Only for records without ticks: a creation time follows the wall clock, which is corrected by seconds after a sleep.
_CREATED_TOLERANCE_S = 10.0
# What follows the name, in brackets, in /proc/PID/stat begins with field 3; see proc_pid_stat(5).
_START = 22 - 3


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process by `pid`, the clock ticks since boot at which it started, and the id of the boot.

    `created_s` (seconds since the Unix epoch) decides only where there are no ticks: in records of earlier
    versions, and on systems without Linux' /proc.
    """

    pid: int
    created_s: float
    ticks: int | None = None
    boot: str = ""

    @classmethod
    def own(cls) -> ProcessId:
        """Return this process."""
        return cls.of(psutil.Process())

    @classmethod
    def of(cls, process: psutil.Process) -> ProcessId:
        """Return a process's identity, also of one that ended and was not collected. Raises psutil.Error."""
        try:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
            ticks = int(Path(f"/proc/{process.pid}/stat").read_bytes().rpartition(b") ")[2].split()[_START])
        except (OSError, ValueError, IndexError):
            return cls(process.pid, process.create_time())
        return cls(process.pid, process.create_time(), ticks, boot)

    @classmethod
    def read(cls, args: Mapping[str, object], *, prefix: str = "") -> ProcessId:
        """Return what `args` made, of earlier versions too. Raises KeyError or ValueError."""
        pid, created_s = int(str(args[f"{prefix}pid"])), float(str(args[f"{prefix}created_s"]))
        if f"{prefix}ticks" not in args:
            return cls(pid, created_s)
        return cls(pid, created_s, int(str(args[f"{prefix}ticks"])), str(args[f"{prefix}boot"]))

    @classmethod
    def parse(cls, text: str) -> ProcessId:
        """Return what `str` made, of earlier versions too. Raises ValueError."""
        pid, _, rest = text.partition("@")
        created, *exact = rest.split("/")
        if not exact:
            return cls(int(pid), float(created))
        ticks, boot = exact
        return cls(int(pid), float(created), int(ticks), boot)

    def args(self, *, prefix: str = "") -> dict[str, object]:
        """Return it as JSON-safe values: `pid` and `created_s`, and where they are known `ticks` and `boot`."""
        values: dict[str, object] = {"pid": self.pid, "created_s": self.created_s}
        if self.ticks is not None:
            values |= {"ticks": self.ticks, "boot": self.boot}
        return {f"{prefix}{key}": value for key, value in values.items()}

    def __str__(self) -> str:
        """Return PID@CREATED, and where they are known /TICKS/BOOT."""
        exact = "" if self.ticks is None else f"/{self.ticks}/{self.boot}"
        return f"{self.pid}@{self.created_s:.2f}{exact}"

    def is_same(self, other: ProcessId) -> bool:
        """Whether both are the same process."""
        if self.ticks is None or other.ticks is None:
            return self.pid == other.pid and abs(self.created_s - other.created_s) <= _CREATED_TOLERANCE_S
        return (self.pid, self.ticks, self.boot) == (other.pid, other.ticks, other.boot)

    def find(self) -> psutil.Process | None:
        """Return the process if it still runs; one that only waits to be collected by its parent is gone."""
        try:
            process = psutil.Process(self.pid)
            same = self.is_same(ProcessId.of(process))
        except (psutil.Error, ValueError, OverflowError):
            return None
        return process if same and runs(process) else None

    @property
    def lives(self) -> bool:
        """Whether it still runs."""
        return self.find() is not None


def runs(process: psutil.Process) -> bool:
    """Whether a process found before still runs."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def family(root: psutil.Process) -> list[psutil.Process]:
    """Return a process and all that descend from it and still run, itself first."""
    try:
        below = root.children(recursive=True)
    except psutil.Error:
        below = []
    return [process for process in (root, *below) if runs(process)]
