"""What is read of a journal, while it is written and when it is damaged."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from harness.errors import JournalError
from harness.journal import FILE_NAME, Journal, JournalReader
from tests.harness.journal.writers import GRID, SERIES, at_one_moment, write_whole


def test_a_page_asks_for_what_is_new(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal, JournalReader(tmp_path) as reader:
        for n in range(100):
            journal.write_tick(n, {"a": n, "rare": n} if n == 10 else {"a": n})
        assert reader.ticks(97.0).tolist() == [98, 99]
        assert reader.series("a", 97.0)[1].tolist() == [98, 99]
        assert reader.buckets("a", 97.0).last.tolist() == [98, 99]
        assert reader.latest() == {"a": 99}
        assert reader.latest(within_s=1000) == {"a": 99, "rare": 10}
        assert reader.series("rare", 10.0)[0].shape == (0,)


def test_an_empty_journal_has_nothing(tmp_path: Path) -> None:
    with Journal(tmp_path), JournalReader(tmp_path) as reader:
        assert (reader.series_names(), reader.events(), reader.meta(), reader.latest()) == ([], [], {}, {})
        assert reader.ticks().shape == reader.buckets("a").n.shape == (0,)


def test_the_log_that_a_reader_held_up_is_cut_back(tmp_path: Path) -> None:
    log = tmp_path / f"{FILE_NAME}-wal"
    with Journal(tmp_path, grid=GRID) as journal, JournalReader(tmp_path) as reader:
        write_whole(journal, 0)
        with at_one_moment(reader):
            for n in range(1, 1001):
                write_whole(journal, n)
            held_bytes = log.stat().st_size
        for n in range(1001, 1301):
            write_whole(journal, n)
        assert log.stat().st_size <= 8_000_000 < held_bytes


def test_a_folder_without_a_journal_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no such journal"):
        JournalReader(tmp_path)


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be looked at" * 20, b""])
def test_a_file_that_is_no_journal_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(JournalError, match="not a readable journal"):
        JournalReader(tmp_path)


@pytest.mark.parametrize(("version", "by"), [(0, "an older Heavyweather"), (2, "a newer Heavyweather")])
def test_a_file_of_another_schema_is_told(version: int, by: str, tmp_path: Path) -> None:
    Journal(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        db.execute(f"PRAGMA user_version={version}")
    told = re.escape(f"its schema version is {version}, that of {by}")
    with pytest.raises(JournalError, match=told):
        JournalReader(tmp_path)
    with pytest.raises(JournalError, match=told):
        Journal(tmp_path, resume=True)


def test_damage_inside_the_file_is_told(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for n in range(400):
            write_whole(journal, n)
    path = tmp_path / FILE_NAME
    head = path.read_bytes()[: 12 * 4096]
    path.write_bytes(head + b"\xff" * (path.stat().st_size - len(head)))
    with JournalReader(tmp_path) as reader, pytest.raises(JournalError, match="cannot be read"):
        _ = [reader.series(f"s{k}") for k in range(SERIES)]
