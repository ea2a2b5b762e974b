"""Log files and disk: a log that grows without end fills the disk that everything else needs.

A rotation moves what was written into files beside the log and deletes the
oldest, so the size of them all shows what is kept, and `written_bytes`, which
only ever grows, what was written.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from harness.probes.background import Errand
from harness.probes.reading import Reading
from harness.records import LogRef

_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".lz4")


class LogFile(NamedTuple):
    """One file of a log: `key` tells it from every other, whatever it is called."""

    key: tuple[int, int]
    size_bytes: int


Logs = Mapping[str, LogFile]


class LogProbe:
    """Reads the sizes of the logs in one folder, each with all that rotation made of it.

    The series are `log.SERVICE.{bytes,files,written_bytes}`. A log that is not there yet has no files and no bytes.
    """

    def __init__(self, folder: Path, refs: Iterable[LogRef]) -> None:
        self.name = f"logs in {folder}"
        self._folder = folder
        self._logs = {ref.service: ref.path.name for ref in refs}
        # A folder may be on a disk that hangs.
        self._errand = Errand("logs")
        self._before: dict[str, Logs] = {}
        self._written_bytes: Counter[str] = Counter()

    async def read(self) -> Reading:
        """Look once. Raises OSError."""
        found = await self._errand.run(lambda: find_logs(self._folder, frozenset(self._logs.values())))
        values: dict[str, float] = {}
        for service, live in self._logs.items():
            logs = found[live]
            self._written_bytes[service] += written_bytes(self._before.get(service, {}), logs, live=live)
            self._before[service] = logs
            values[f"log.{service}.bytes"] = float(sum(log.size_bytes for log in logs.values()))
            values[f"log.{service}.files"] = float(len(logs))
            values[f"log.{service}.written_bytes"] = float(self._written_bytes[service])
        return Reading(values)

    async def close(self) -> None:
        """Nothing is held."""


class DiskProbe:
    """Reads how much room there is where the run is recorded: `disk.run.free_bytes`."""

    name = "disk.run"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> Reading:
        """Look once. Raises OSError."""
        return Reading({f"{self.name}.free_bytes": float(shutil.disk_usage(self._folder).free)})


def find_logs(folder: Path, names: Collection[str]) -> dict[str, dict[str, LogFile]]:
    """Return log to the files of it in a folder, by name; none without the folder."""
    found: dict[str, dict[str, LogFile]] = {name: {} for name in names}
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            for log in names:
                if is_of_log(entry.name, log) and (seen := _size_of(entry)):
                    found[log][entry.name] = seen
    return found


def _size_of(entry: os.DirEntry[str]) -> LogFile | None:
    """Return a file's key and size; None of what is no file, or was deleted meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        if entry.is_file(follow_symlinks=False):
            # On Windows an entry's own answer lacks the key.
            seen = os.stat(entry.path, follow_symlinks=False)  # noqa: PTH116 - a Path would be made for each file
            return LogFile((seen.st_dev, seen.st_ino), seen.st_size)
    return None


def is_of_log(name: str, log: str) -> bool:
    """Return whether a file of that name is the log, or one that a rotation made of it.

    Of `api.log` those are `api.log.1`, `api.log.2.gz`, `api.log-20250101`, and `api.1.log`.
    """
    if name == log or name.startswith((f"{log}.", f"{log}-")):
        return True
    stem, dot, suffix = log.rpartition(".")
    middle = name.removeprefix(f"{stem}.").removesuffix(f".{suffix}")
    return bool(dot) and name == f"{stem}.{middle}.{suffix}" and middle.isdigit()


def written_bytes(before: Logs, now: Logs, *, live: str) -> int:
    """Return how much was written between two looks at a log, at least; `live` is the name that is written to.

    A renamed file is known by its key. One that shrank was cut off and written anew. A new one was written in between,
    unless it is packed, or the live one was cut off: then it is the copy that was made of it first.
    """
    known = {log.key: log.size_bytes for log in before.values()}
    was, is_now = before.get(live), now.get(live)
    cut_off = was is not None and is_now is not None and was.key == is_now.key and is_now.size_bytes < was.size_bytes
    total = 0
    for name, log in now.items():
        size_before = known.get(log.key)
        if size_before is not None:
            grown = log.size_bytes - size_before
            total += grown if grown >= 0 else log.size_bytes
        elif name == live or not (cut_off or name.endswith(_PACKED)):
            total += log.size_bytes
    return total
