"""Writers killed at any moment: at most the tick in hand is lost, and the next process goes on from there."""

import random
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from harness.errors import JournalError
from harness.journal import FILE_NAME, Journal, JournalReader
from harness.wait import wait_until
from tests.harness.journal.writers import GRID, Writers, whole_ticks, write_whole

LIVES = 5
LIMIT_S = 10.0


@pytest.mark.parametrize("seed", range(10))
def test_a_killed_writer_leaves_every_committed_tick_whole(seed: int, tmp_path: Path, forked: Writers) -> None:
    rng = random.Random(seed)
    ticks = 0
    for _ in range(LIVES):
        with forked.writing(tmp_path) as writer:
            committed = writer.until(ticks + rng.randint(0, 300))
            # It may have told of more ticks between our look and its end.
            committed = max(committed, writer.kill())
        ticks = whole_ticks(tmp_path)
        # The tick in hand may have been committed before it could be told.
        assert ticks - (committed + 1) in {0, 1}


def nothing_in(folder: Path) -> str | None:
    return None if any(folder.iterdir()) else "an empty folder"


def test_a_writer_killed_at_its_start_leaves_a_journal_or_none(tmp_path: Path, forked: Writers) -> None:
    for attempt in range(10):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        with forked.writing(folder) as writer:
            wait_until("a file of its", partial(nothing_in, folder), limit_s=LIMIT_S, poll_s=0)
            committed = writer.kill()
        try:
            ticks = whole_ticks(folder)
        except JournalError:
            assert committed == -1
        else:
            assert ticks - (committed + 1) in {0, 1}


def test_a_living_writer_shuts_out_another_and_a_dead_one_does_not(tmp_path: Path, forked: Writers) -> None:
    with forked.writing(tmp_path) as writer:
        writer.until(3)
        with pytest.raises(JournalError, match=f"journal.lock: process {writer.pid} is writing it"):
            Journal(tmp_path, resume=True)
        with JournalReader(tmp_path) as reader:
            assert len(reader.ticks()) > 3
    ticks = whole_ticks(tmp_path)
    with Journal(tmp_path, resume=True, grid=GRID) as journal:
        assert journal._last_t_s == ticks - 1
        write_whole(journal, ticks)
    assert whole_ticks(tmp_path) == ticks + 1


def test_a_reader_in_another_process_sees_only_whole_ticks(tmp_path: Path, forked: Writers) -> None:
    counts: list[int] = []
    with forked.writing(tmp_path) as writer:
        writer.until(200)
        for _ in range(20):
            counts.append(whole_ticks(tmp_path))
            writer.until(counts[-1])
    assert counts == sorted(set(counts))


def open_again(folder: Path) -> None:
    Journal(folder)


def resume(folder: Path) -> None:
    Journal(folder, resume=True)


@pytest.mark.parametrize(
    ("files", "call", "told"),
    [
        ((FILE_NAME,), open_again, "holds a run already; resume it"),
        ((), resume, "no such journal to resume"),
        ((FILE_NAME,), resume, "schema version is 0, that of an older Heavyweather, or nothing yet"),
    ],
)
def test_a_folder_must_be_as_expected(
    files: tuple[str, ...], call: Callable[[Path], None], told: str, tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(JournalError, match=f"{re.escape(FILE_NAME)}: .*{told}"):
        call(tmp_path)
    # A refusal lets go of the folder.
    for name in files:
        (tmp_path / name).unlink()
    Journal(tmp_path).close()
