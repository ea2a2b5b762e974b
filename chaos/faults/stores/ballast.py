"""A file that takes up room on a disk: made in a moment where the file system can set room aside, else written.

It stops short by itself: at what is to stay free, at a limit of time, and where
the disk is full before that.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from harness.errors import HealFailed, InjectionFailed, Refused

_LIMIT_S = 30.0
_PIECE_BYTES = 64 << 20
_PIECE_BYTES_MIN = 64 << 10
# What it may miss its mark by: file systems keep accounts of their own, and others write meanwhile.
SLACK_BYTES = 8_000_000
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# Where a file system cannot set room aside.
_CANNOT = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
_IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs"})


def free_bytes(folder: Path) -> int:
    """Return how much more may be written to a folder's disk by any user but root. Raises OSError."""
    return shutil.disk_usage(folder).free


def in_memory(folder: Path) -> bool:
    """Return whether a folder's disk is in truth the machine's memory."""
    place = folder.resolve()
    mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    kinds = (mounts[path] for path in (place, *place.parents) if path in mounts)
    return next(kinds, "") in _IN_MEMORY


def fill(path: Path, *, leave_bytes: int) -> int:
    """Make the file `path`, so large that `leave_bytes` stay free on its disk; return its size.

    Raises InjectionFailed when that cannot be done within a limit; what there is of the file then stays.
    """
    ends_s, piece_bytes, size_bytes = time.monotonic() + _LIMIT_S, _PIECE_BYTES, 0
    try:
        with path.open("xb", buffering=0) as file:
            while (room_bytes := free_bytes(path.parent) - leave_bytes) >= _PIECE_BYTES_MIN:
                if time.monotonic() >= ends_s:
                    raise InjectionFailed(f"{path.parent}: {size_bytes} bytes taken up in {_LIMIT_S:.0f} s: too slow")
                wanted_bytes = min(room_bytes, piece_bytes)
                if _take(file.fileno(), size_bytes, wanted_bytes):
                    size_bytes += wanted_bytes
                elif (piece_bytes := piece_bytes // 2) < _PIECE_BYTES_MIN:
                    break
    except OSError as error:
        raise InjectionFailed(f"{path}: {error.strerror}") from error
    return size_bytes


def _take(descriptor: int, offset_bytes: int, size_bytes: int) -> bool:
    """Take up room for so much; return whether there was enough. Raises OSError."""
    try:
        if sys.platform != "win32" and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(descriptor, offset_bytes, size_bytes)
            except OSError as error:
                if error.errno not in _CANNOT:
                    raise
            else:
                return True
        _write(descriptor, offset_bytes, size_bytes)
    except OSError as error:
        if error.errno in _FULL:
            return False
        raise
    return True


def _write(descriptor: int, offset_bytes: int, size_bytes: int) -> None:
    """Write so much of what no file system can store as less. Raises OSError."""
    block = os.urandom(1 << 20)
    os.lseek(descriptor, offset_bytes, os.SEEK_SET)
    while size_bytes > 0:
        size_bytes -= os.write(descriptor, block[:size_bytes])


# What every file that fills a disk is called by.
BALLAST_PREFIX = "heavyweather-ballast-"


class RemoveFile:
    """`file.remove`: `path`, absolute, of a plain file whose name begins with our prefix."""

    def carry_out(self, args: Mapping[str, object]) -> None:
        """Remove it; harmless when it is gone. Raises Refused for any other file, HealFailed when it cannot be done."""
        path = _ours(args)
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                raise Refused(f"{path} is no plain file: no fault made it")
            path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            raise HealFailed(f"{path} cannot be removed: {error.strerror}") from error

    def remaining(self, args: Mapping[str, object]) -> str | None:
        """Return what is wrong while it is there. Raises Refused, HealFailed."""
        path = _ours(args)
        try:
            size_bytes = path.lstat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HealFailed(f"{path} cannot be looked at: {error.strerror}") from error
        return f"{path} still takes {size_bytes} bytes"


def _ours(args: Mapping[str, object]) -> Path:
    path = Path(str(args["path"]))
    if not path.is_absolute() or ".." in path.parts or not path.name.startswith(BALLAST_PREFIX):
        raise Refused(f"{path} is not called as a fault would call it ({BALLAST_PREFIX}...): left alone")
    return path
