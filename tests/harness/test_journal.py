"""The journal against real damage: killed writers, full disks, broken files."""

import math
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import JournalError
from harness.journal import FILE_NAME, Journal, JournalReader
from harness.records import Event
from infra.ready import wait_until

REPOSITORY = Path(__file__).parents[2]
SERIES = 20
WRITER = f"""
import sys
from pathlib import Path
from harness.journal import Journal
from harness.records import Event
journal = Journal(Path(sys.argv[1]))
for n in range(1_000_000):
    journal.write_tick(n, {{f"s{{k}}": n + k / 100 for k in range({SERIES})}}, [Event(n, "tick", {{"n": n}})])
    print(n, flush=True)
"""

names = st.text("abc._", min_size=1, max_size=5)
numbers = st.floats(allow_nan=False, width=64)
kinds = st.sampled_from(["phase", "service_gone", "fault"])
details = st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4) | st.none() | st.booleans())
ticks = st.lists(
    st.tuples(st.dictionaries(names, numbers, max_size=5), st.lists(st.tuples(kinds, details))), max_size=8
)


@settings(max_examples=40)
@given(ticks=ticks, meta=st.dictionaries(names, st.integers() | st.text() | st.lists(st.integers())))
def test_what_is_written_is_read_back(
    ticks: list[tuple[dict[str, float], list[tuple[str, dict[str, object]]]]],
    meta: dict[str, object],
) -> None:
    events = [[Event(float(t), kind, detail) for kind, detail in told] for t, (_, told) in enumerate(ticks)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with Journal(folder) as journal:
            journal.write_meta(meta)
            for t, (values, _) in enumerate(ticks):
                journal.write_tick(float(t), values, events[t])
        seen = list(dict.fromkeys(name for values, _ in ticks for name in values))
        with JournalReader(folder) as reader:
            assert reader.meta() == meta
            assert reader.series_names() == seen
            assert reader.events() == [event for tick in events for event in tick]
            for name in seen:
                expected = [(float(t), values[name]) for t, (values, _) in enumerate(ticks) if name in values]
                t_s, read = reader.series(name)
                assert list(zip(t_s.tolist(), read.tolist(), strict=True)) == expected
            assert reader.series("never written")[0].shape == (0,)


def whole_ticks(folder: Path) -> int:
    """Return how many ticks there are; fail if any of them is not whole or one is missing between."""
    with JournalReader(folder) as reader:
        events = reader.events()
        count = len(events)
        assert [event.detail["n"] for event in events] == list(range(count))
        for k in range(SERIES if count else 0):
            t_s, values = reader.series(f"s{k}")
            assert np.array_equal(t_s, np.arange(count))
            assert np.allclose(values, np.arange(count) + k / 100)
    return count


def test_a_killed_writer_leaves_every_committed_tick_whole(tmp_path: Path) -> None:
    rng = random.Random(7331)
    for attempt in range(10):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        wanted = rng.randint(1, 300)
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            committed = next(n for n in map(int, child.stdout) if n >= wanted)
            child.kill()
            # It may have told of more ticks between our look and its end.
            committed = max([committed, *map(int, child.stdout.read().split())])
        assert child.returncode == -signal.SIGKILL
        # The tick in hand may have been committed before it could be told.
        assert whole_ticks(folder) - (committed + 1) in {0, 1}


def test_a_tick_is_there_before_the_journal_is_closed(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.write_tick(0.0, {"a": 1.0})
        with JournalReader(tmp_path) as reader:
            assert reader.series("a")[1].tolist() == [1.0]


def test_a_reader_sees_only_whole_ticks_while_it_is_written(tmp_path: Path) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        try:
            with Journal(tmp_path) as journal:
                opened.set()
                for n in range(100_000):
                    if stop.is_set():
                        break
                    values = {f"s{k}": n + k / 100 for k in range(SERIES)}
                    journal.write_tick(n, values, [Event(n, "tick", {"n": n})])
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    opened = threading.Event()
    writer = threading.Thread(target=write)
    writer.start()
    assert opened.wait(10)
    try:
        counts: list[int] = []
        with JournalReader(tmp_path) as reader:

            def look() -> str | None:
                # One statement sees one state, so these two cannot differ by a part of a tick.
                ((ticks, samples),) = reader._rows("SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM sample)")
                assert samples == ticks * SERIES
                counts.append(ticks)
                return None if ticks > counts[0] + 200 else f"{ticks} ticks"

            wait_until("a growing journal", look, limit_s=15.0, poll_s=0.0)
    finally:
        stop.set()
        writer.join()
    assert not failures
    assert counts == sorted(counts)
    assert whole_ticks(tmp_path) >= counts[-1]


@contextmanager
def tiny_disk(folder: Path) -> Iterator[None]:
    """Mount a file system of 256 KiB, or skip where that needs rights we do not have."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a disk of its own needs root: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is Linux'")
def test_a_full_disk_is_told_and_loses_no_earlier_tick(tmp_path: Path) -> None:
    with tiny_disk(tmp_path):
        last = fill(Journal(tmp_path))
        assert whole_ticks(tmp_path) == last


def test_a_full_database_is_told_and_loses_no_earlier_tick(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal._db.execute("PRAGMA max_page_count=40")
    last = fill(journal)
    assert whole_ticks(tmp_path) == last


def fill(journal: Journal) -> int:
    """Write until there is no more room; return how many ticks were written."""
    with journal:
        for n in range(100_000):
            try:
                journal.write_tick(n, {f"s{k}": n + k / 100 for k in range(SERIES)}, [Event(n, "tick", {"n": n})])
            except JournalError as error:
                told = str(error)
                break
    assert re.search(r"journal.db: tick not written: .*full", told)
    return n


def test_a_refused_tick_leaves_the_next_one_whole(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.write_tick(0.0, {"a": 1.0})
        with pytest.raises(JournalError):
            journal.write_tick(1.0, {"b": 2.0, "a": math.nan}, [Event(1.0, "lost")])
        journal.write_tick(2.0, {"c": 3.0, "b": 4.0})
    with JournalReader(tmp_path) as reader:
        assert reader.series_names() == ["a", "c", "b"]
        assert reader.series("b")[1].tolist() == [4.0]
        assert reader.events() == []


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path / "nowhere")
    with pytest.raises(JournalError, match="no such journal"):
        JournalReader(tmp_path)


def test_a_file_that_is_no_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    with pytest.raises(JournalError, match="not a readable journal"):
        JournalReader(tmp_path)
    sqlite3.connect(tmp_path / "other.db").close()
    (tmp_path / FILE_NAME).write_bytes(b"")
    with pytest.raises(JournalError, match="not a readable journal"):
        JournalReader(tmp_path)


def test_damage_inside_the_file_is_told(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for n in range(200):
            journal.write_tick(n, {f"s{k}": float(n) for k in range(SERIES)}, [Event(n, "tick")])
    path = tmp_path / FILE_NAME
    head = path.read_bytes()[: 5 * 4096]
    path.write_bytes(head + b"\xff" * (path.stat().st_size - len(head)))
    with JournalReader(tmp_path) as reader, pytest.raises(JournalError, match="cannot be read"):
        _ = [reader.series(f"s{k}") for k in range(SERIES)]
