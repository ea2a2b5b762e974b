"""A disk that is really full: it is told, nothing written before is lost, and the reserve makes room for the end."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import JournalError
from harness.journal import Journal, JournalReader, Reserve
from harness.records import Event
from tests.disks import small_disk
from tests.harness.journal.writers import whole_ticks, write_whole

DISK_BYTES = 3_000_000
RESERVE_BYTES = 1_000_000


@pytest.fixture
def disk() -> Iterator[Path]:
    with small_disk(DISK_BYTES) as folder:
        yield folder


def fill(journal: Journal) -> int:
    """Write until there is no more room; return how many ticks were written."""
    written: list[int] = []

    def write_on() -> None:
        for n in range(100_000):
            write_whole(journal, n)
            written.append(n)

    with pytest.raises(JournalError, match=r"journal.db: tick not written: .*full"):
        write_on()
    return len(written)


def test_a_full_disk_is_told_and_loses_no_earlier_tick(disk: Path) -> None:
    reserve = Reserve(disk, RESERVE_BYTES)
    journal = Journal(disk)
    ticks = fill(journal)
    assert ticks > 100
    assert whole_ticks(disk) == ticks
    verdict = disk / "verdict.json"
    with pytest.raises(OSError, match="No space left"):
        verdict.write_bytes(b"x" * (RESERVE_BYTES // 2))
    reserve.release()
    reserve.release()
    verdict.write_bytes(b"x" * (RESERVE_BYTES // 2))
    # There is room to say why it ends, too.
    journal.write_tick(ticks, {}, [Event(ticks, "disk_full")])
    journal.close()
    with JournalReader(disk) as reader:
        assert reader.events()[-1].kind == "disk_full"
        assert (len(reader.series("s0")[0]), len(reader.ticks())) == (ticks, ticks + 1)


def test_what_a_full_disk_holds_is_read_after_the_writer_too(disk: Path) -> None:
    with Journal(disk) as journal:
        ticks = fill(journal)
    assert whole_ticks(disk) == ticks
    with pytest.raises(JournalError, match=r"reserve: 4000000 bytes cannot be set aside: .*No space left"):
        Reserve(disk)
    assert not (disk / "reserve").exists()


def test_a_full_database_is_told_and_loses_no_earlier_tick(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal._db.execute("PRAGMA max_page_count=60")
        ticks = fill(journal)
    assert whole_ticks(tmp_path) == ticks


def test_a_reserve_takes_the_room_it_names(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, RESERVE_BYTES)
    found = reserve.path.stat()
    assert found.st_size == RESERVE_BYTES
    if sys.platform != "win32":
        assert found.st_blocks * 512 >= RESERVE_BYTES
    Reserve(tmp_path, RESERVE_BYTES // 2).release()
    assert list(tmp_path.iterdir()) == []
