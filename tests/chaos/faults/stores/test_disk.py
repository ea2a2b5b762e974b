"""A full disk, on a real small one: proved by its free room, undone by the ledger's step, refused where it may hurt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chaos.faults.stores import disk as module
from chaos.faults.stores.disk import LEAVE_BYTES_MIN, FillDiskFault
from chaos.healing.actions import ACTIONS
from chaos.observed import State
from chaos.targets import Targets
from chaos.undo import undo
from harness.errors import ChaosError, InjectionFailed, Refused, Unsupported
from tests.disks import small_disk


@pytest.fixture
def disk() -> Iterator[Path]:
    with small_disk(100 << 20) as folder:
        yield folder


def test_a_disk_is_filled_proved_and_given_back(disk: Path, tmp_path: Path) -> None:
    targets = Targets(folders={"postgres": disk, "run": tmp_path})
    aimed = FillDiskFault("postgres", leave_bytes=0).aim(targets, "f1_fill_disk")
    before = aimed.observe()
    assert (before.state, before.amount) == (State.THERE, 100 << 20)
    steps = aimed.undo()
    aimed.inject()
    now = aimed.observe()
    assert now.state is State.GONE
    assert aimed.missing(before, now) is None
    assert "the ballast is gone, but the room was gone" in str(aimed.remaining(before, now))
    with pytest.raises(OSError, match="No space left"):
        (disk / "of the system").write_bytes(b"x" * 1_000_000)
    undo(steps, ACTIONS)
    assert aimed.remaining(before, aimed.observe()) is None
    assert [path.name for path in disk.iterdir()] == ["of the system"]


def test_the_disk_of_the_run_keeps_room_for_its_records(disk: Path) -> None:
    (disk / "runs").mkdir()
    targets = Targets(folders={"postgres": disk, "run": disk / "runs"})
    for target in targets.folders:
        with pytest.raises(Refused, match=r"leave_bytes = 63999999: at least 64\.0 MB must stay free where the run"):
            FillDiskFault(target, leave_bytes=LEAVE_BYTES_MIN - 1).aim(targets, "f1")
    aimed = FillDiskFault("run").aim(targets, "f1")
    before = aimed.observe()
    aimed.inject()
    assert aimed.missing(before, aimed.observe()) is None
    assert aimed.observe().amount >= LEAVE_BYTES_MIN
    undo(aimed.undo(), ACTIONS)


def test_a_large_disk_is_refused_and_so_is_much_of_the_memory(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = Targets(folders={"postgres": disk, "run": tmp_path})
    monkeypatch.setattr(module, "_TAKEN_BYTES_MAX", 50_000_000)
    with pytest.raises(Refused, match=r"104\.9 MB to fill: at most 50\.0 MB of memory may be taken up"):
        FillDiskFault("postgres", 0).aim(targets, "f1")
    FillDiskFault("postgres", 60_000_000).aim(targets, "f1")
    monkeypatch.undo()
    monkeypatch.setattr(module, "_MEMORY_FRACTION", 40_000_000 / psutil.virtual_memory().available)
    with pytest.raises(Refused, match=r"of memory may be taken up: put it on a small disk of its own"):
        FillDiskFault("postgres", 0).aim(targets, "f1")


def test_a_machines_own_disk_is_refused(tmp_path: Path) -> None:
    if psutil.disk_usage(str(tmp_path)).free < 10 << 30:
        pytest.skip("this disk is small enough to be filled")
    with pytest.raises(Refused, match="may be taken up"):
        FillDiskFault("run").aim(Targets(folders={"run": tmp_path}), "f1")


def test_room_that_was_gone_before_proves_nothing(disk: Path) -> None:
    aimed = FillDiskFault("postgres", leave_bytes=200_000_000).aim(Targets(folders={"postgres": disk}), "f1")
    before = aimed.observe()
    with pytest.raises(InjectionFailed, match="no more than 200000000 bytes were free"):
        aimed.inject()
    undo(aimed.undo(), ACTIONS)
    assert list(disk.iterdir()) == []
    assert "there was no room to take up" in str(aimed.missing(before, aimed.observe()))


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="fill_disk on redis: no such folder here; there are: run"):
        FillDiskFault("redis").aim(Targets(folders={"run": tmp_path}), "f1")
    with pytest.raises(ChaosError, match="No such file"):
        FillDiskFault("run").aim(Targets(folders={"run": tmp_path / "gone"}), "f1")
    with pytest.raises(ValueError, match="leave_bytes = -1"):
        FillDiskFault("run", leave_bytes=-1)
