"""Disks of the tests' own, small enough to be filled."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(size_bytes: int) -> Iterator[Path]:
    """Mount a file system of that size and yield its folder; skip where that is not permitted."""
    if sys.platform != "linux":
        pytest.skip("tmpfs is Linux'")
    # Not in pytest's own folder: were we killed, what stays mounted would be in the way of every later session.
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "none", folder]
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
        if mounted.returncode:
            pytest.skip(f"a disk of its own needs root: {mounted.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            # Lazily: a test that failed may have left a file open.
            subprocess.run(["umount", "--lazy", folder], check=True)
