"""Takes up a disk's free room with one file of ours, which goes again.

The run itself may live on that disk. Its journal, its undo ledger and its logs
need room while the fault lasts, and the verdict after it: the ballast is gone
by then, and `harness.journal.Reserve` has kept room for the verdict, whatever
happened. So on the disk of the run folder at least 64 MB stay free; only a disk
that the run does not write to may be filled to its last byte.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil

from chaos.faults.fault import Aimed
from chaos.faults.ranges import Within
from chaos.faults.registered import Declared, Needs, register
from chaos.faults.stores.ballast import BALLAST_PREFIX, SLACK_BYTES, fill, free_bytes, in_memory
from chaos.observed import Observed, State
from chaos.targets import Targets
from chaos.undo import Step
from harness.errors import ChaosError, InjectionFailed, Refused
from harness.tables import WholeSize
from harness.units import format_bytes

# The folder of the run itself, among those that can be named.
DISK_OF_RUN = "run"
# Minutes of a run's own records, many times over.
LEAVE_BYTES_MIN = 64_000_000
# More would take minutes to write where it cannot be set aside, and such a disk is one that others live on.
_TAKEN_BYTES_MAX = 8 << 30
_NEEDS = Needs("postgres, run", "run", "a disk with at most 8 GiB free; volumes are the engine's own")
# Of the memory that is to be had, where the disk is made of it: the rest is the machine's.
_MEMORY_FRACTION = 0.25


@register("fill_disk", on="service, or `run`", needs=_NEEDS, example={"leave_bytes": 1 << 20})
@dataclass(frozen=True, slots=True)
class FillDiskFault(Declared):
    """Fills the disk on which its data lies, or the run folder."""

    leave_bytes: Annotated[WholeSize, Within(0, unit="bytes")] = LEAVE_BYTES_MIN
    """How much stays free."""

    @property
    def claims(self) -> frozenset[str]:
        """The room on the disk."""
        return frozenset({f"disk of {self.target}"})

    def aim(self, targets: Targets, name: str) -> Aimed:
        """Return the fault on its disk. Raises Unsupported, or Refused where this disk is not to be filled."""
        aimed = _AimedFill(self, targets.folder(self.kind, self.target), name)
        aimed.check(targets.folders.get(DISK_OF_RUN))
        return aimed


class _AimedFill:
    def __init__(self, fault: FillDiskFault, folder: Path, name: str) -> None:
        self._fault = fault
        self._folder = folder.resolve()
        self._path = self._folder / f"{BALLAST_PREFIX}{name}-{secrets.token_hex(4)}"

    def check(self, run_folder: Path | None) -> None:
        """Raise Refused for a disk that is too large to fill, or that must keep more room for the run's own records."""
        leave_bytes = self._fault.leave_bytes
        try:
            of_run = run_folder is not None and run_folder.stat().st_dev == self._folder.stat().st_dev
            taken_bytes, memory = free_bytes(self._folder) - leave_bytes, in_memory(self._folder)
        except OSError as error:
            raise ChaosError(f"{self._about}: {error.strerror}") from error
        if of_run and leave_bytes < LEAVE_BYTES_MIN:
            rule = f"at least {format_bytes(LEAVE_BYTES_MIN)} must stay free where the run keeps its own records"
            raise Refused(f"{self._about}: leave_bytes = {leave_bytes}: {rule}")
        most_bytes: float = _TAKEN_BYTES_MAX
        if memory:
            most_bytes = min(most_bytes, _MEMORY_FRACTION * psutil.virtual_memory().available)
        if taken_bytes > most_bytes:
            kind = "memory" if memory else "a disk"
            rule = f"at most {format_bytes(most_bytes)} of {kind} may be taken up: put it on a small disk of its own"
            raise Refused(f"{self._about}: {format_bytes(taken_bytes)} to fill: {rule}")

    def undo(self) -> Sequence[Step]:
        return [Step("file.remove", {"path": str(self._path)})]

    def inject(self) -> None:
        """Fill the disk. Raises InjectionFailed."""
        self.check(None)
        if not fill(self._path, leave_bytes=self._fault.leave_bytes):
            raise InjectionFailed(f"{self._about}: no more than {self._fault.leave_bytes} bytes were free before")

    def observe(self) -> Observed:
        """See how much room there is: THERE if more than the fault leaves. Raises ChaosError."""
        began_s = time.perf_counter()
        try:
            free = free_bytes(self._folder)
        except OSError as error:
            raise ChaosError(f"{self._about}: {error.strerror}") from error
        seen = State.THERE if free > self._fault.leave_bytes + SLACK_BYTES else State.GONE
        return Observed(seen, time.perf_counter() - began_s, f"{format_bytes(free)} free", float(free))

    def missing(self, before: Observed, now: Observed) -> str | None:
        """Ask that the room is gone, and was there before."""
        if before.state is not State.THERE:
            return f"there was no room to take up before the fault: {before}"
        if now.state is State.GONE:
            return None
        return f"left {format_bytes(self._fault.leave_bytes)} free, but the room was {now} against {before}"

    def remaining(self, before: Observed, now: Observed) -> str | None:
        """Ask that there is room again; how much the system has written meanwhile is its own."""
        if now.state is State.THERE:
            return None
        return f"the ballast is gone, but the room was {now} against {before}"

    @property
    def _about(self) -> str:
        return f"the disk of {self._fault.target} ({self._folder})"
