"""Ballast on a real small disk: it takes what it should, and no more."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.faults.stores.ballast import SLACK_BYTES, fill, free_bytes, in_memory
from harness.errors import InjectionFailed
from tests.disks import small_disk

_SIZE_BYTES = 100 << 20


@pytest.fixture
def disk() -> Iterator[Path]:
    with small_disk(_SIZE_BYTES) as folder:
        yield folder


@pytest.mark.parametrize("leave_bytes", [0, 1 << 20, 64_000_000])
@pytest.mark.parametrize("sets_aside", [True, False])
def test_a_disk_is_filled_up_to_what_stays(
    disk: Path, leave_bytes: int, monkeypatch: pytest.MonkeyPatch, *, sets_aside: bool
) -> None:
    if not sets_aside:

        def cannot(*_: object) -> None:
            raise OSError(errno.EOPNOTSUPP, "not here")

        monkeypatch.setattr(os, "posix_fallocate", cannot, raising=False)
    size_bytes = fill(disk / "ballast", leave_bytes=leave_bytes)
    assert leave_bytes <= free_bytes(disk) <= leave_bytes + SLACK_BYTES / 8
    assert (disk / "ballast").stat().st_size == size_bytes
    assert size_bytes >= _SIZE_BYTES - leave_bytes - SLACK_BYTES
    (disk / "ballast").unlink()
    assert free_bytes(disk) > 0.9 * _SIZE_BYTES


def test_a_disk_that_is_full_already_is_let_be(disk: Path) -> None:
    assert fill(disk / "ballast", leave_bytes=2 * _SIZE_BYTES) == 0


def test_no_file_is_written_over(disk: Path) -> None:
    (disk / "ballast").write_bytes(b"mine")
    with pytest.raises(InjectionFailed, match="File exists"):
        fill(disk / "ballast", leave_bytes=0)
    assert (disk / "ballast").read_bytes() == b"mine"


def test_a_disk_of_memory_is_known_as_one(disk: Path) -> None:
    (disk / "inner").mkdir()
    assert in_memory(disk)
    assert in_memory(disk / "inner")
    assert not in_memory(Path("/proc"))
