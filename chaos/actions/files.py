"""Removes files that a fault has made, and nothing else: their names begin with a mark of ours.

A ledger is only a file, so what it says is held once more against what such a
fault could have made.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from harness.errors import HealFailed, Refused

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

    def amiss(self, args: Mapping[str, object]) -> str | None:
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
