"""The undo ledger: what it took is there whatever cut it short, and it refuses a runner that was taken for dead."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.healing.ledger import FILE_NAME, TAKEN_NAME, Ledger, Records, UndoEntry, read_ledger
from chaos.healing.lock import ledger_lock
from chaos.undo import Step
from harness.errors import ChaosError
from harness.identity import ProcessId
from harness.root import ROOT
from tests.disks import small_disk

LIMIT_S = 20.0
NEVER = 4e9


def entry(name: str, *, steps: int = 2, padding: str = "") -> UndoEntry:
    made = tuple(Step("proxy.enable", {"api": "127.0.0.1:1", "proxy": f"{name}{n}{padding}"}) for n in range(steps))
    return UndoEntry(name, "down", "api_redis", made, NEVER)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with contextlib.closing(Ledger(tmp_path)) as made:
        yield made


def test_what_was_opened_is_read_back_until_it_is_shut(ledger: Ledger) -> None:
    assert read_ledger(ledger.path).open == ()
    first, second = entry("f1_down"), entry("f2_down")
    ledger.open(first)
    ledger.mark("f1_down", "injected")
    ledger.open(second)
    assert read_ledger(ledger.path).open == (first, second)
    ledger.shut("f1_down")
    assert read_ledger(ledger.path).open == (second,)
    past = read_ledger(ledger.path)
    assert past.runner is not None
    assert past.runner.lives
    assert past.part == 1


def test_of_no_ledger_nothing_is_open(tmp_path: Path) -> None:
    past = read_ledger(tmp_path / FILE_NAME)
    assert (past.runner, past.part, past.open) == (None, 0, ())


# What a run may do to its ledger: (verb, number of the fault).
DOINGS = st.lists(st.tuples(st.sampled_from(["open", "injected", "shut"]), st.integers(1, 4)), max_size=6)
NAMES = st.text(min_size=1, max_size=8)


@settings(max_examples=6, deadline=None)
@given(doings=DOINGS, padding=NAMES)
def test_cut_at_every_byte_it_says_what_had_been_told_by_then(doings: Sequence[tuple[str, int]], padding: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with contextlib.closing(Ledger(folder)) as ledger:
            path = ledger.path
            # The open entries after so many bytes, in the order of opening; a record counts once it is whole.
            truth: list[tuple[int, list[str]]] = [(path.stat().st_size, [])]
            opened: list[str] = []
            for verb, number in doings:
                fault = f"f{number}{padding}"
                if verb == "open":
                    ledger.open(entry(fault, steps=1, padding=padding))
                    opened = [*[other for other in opened if other != fault], fault]
                elif verb == "shut":
                    ledger.shut(fault)
                    opened = [other for other in opened if other != fault]
                else:
                    ledger.mark(fault, verb)
                truth.append((path.stat().st_size, list(opened)))
        whole = path.read_bytes()
        for cut in range(truth[0][0], len(whole) + 1):
            path.write_bytes(whole[:cut])
            # A record whose closing brace is there is whole, though its line is not ended.
            expected = [names for size, names in truth if size - 1 <= cut][-1]
            assert [each.name for each in read_ledger(path).open] == expected
        # Whoever writes next is not spoilt by half a line, and spoils nothing.
        for cut in range(truth[0][0], len(whole), 7):
            path.write_bytes(whole[:cut])
            before = [each.name for each in read_ledger(path).open]
            with contextlib.closing(Records(path)) as records:
                records.tell("note", text=padding)
                records.shut("f1" + padding)
            assert [each.name for each in read_ledger(path).open] == [each for each in before if each != "f1" + padding]


def test_a_name_opened_again_before_it_was_shut_keeps_both_undoings(ledger: Ledger) -> None:
    ledger.open(entry("f1", padding="a"))
    ledger.open(entry("f2"))
    ledger.open(entry("f1", padding="b"))
    second, first = read_ledger(ledger.path).open
    assert (second.name, first.name) == ("f2", "f1")
    assert first.steps == (*entry("f1", padding="a").steps, *entry("f1", padding="b").steps)


BAD_STEP = {"action": "a", "args": 5}


@pytest.mark.parametrize(
    "record",
    [
        5,
        ["open"],
        {},
        {"record": "runner", "pid": "x", "created_s": 1},
        {"record": "open", "name": "f1"},
        {"record": "open", "name": "f1", "fault": "x", "target": "y", "expires_unix_s": "soon", "steps": []},
        {"record": "open", "name": "f1", "fault": "x", "target": "y", "expires_unix_s": 1, "steps": 5},
        {"record": "open", "name": "f1", "fault": "x", "target": "y", "expires_unix_s": 1, "steps": ["a"]},
        {"record": "open", "name": "f1", "fault": "x", "target": "y", "expires_unix_s": 1, "steps": [{"action": "a"}]},
        {"record": "open", "name": "f1", "fault": "x", "target": "y", "expires_unix_s": 1, "steps": [BAD_STEP]},
    ],
)
def test_a_whole_line_that_no_ledger_would_hold_is_said_and_not_guessed_at(record: object, tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_text(json.dumps(record) + "\n")
    with pytest.raises(ChaosError, match="holds what no ledger would"):
        read_ledger(path)


def test_many_threads_and_another_process_write_whole_lines(ledger: Ledger) -> None:
    def work(number: int) -> None:
        for n in range(10):
            ledger.open(entry(f"t{number}_{n}", padding="x" * 500))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    with contextlib.closing(Records(ledger.path)) as other:
        for n in range(40):
            other.tell("resists", name=str(n), why="y" * 3000)
    for thread in threads:
        thread.join(LIMIT_S)
    lines = ledger.path.read_bytes().splitlines()
    assert sorted(json.loads(line)["record"] for line in lines) == ["open"] * 40 + ["resists"] * 40 + ["runner"]
    assert len(read_ledger(ledger.path).open) == 40


def test_once_the_guardian_took_over_nothing_may_be_broken(ledger: Ledger) -> None:
    ledger.open(entry("f1_down"))
    ledger.path.with_name(TAKEN_NAME).touch()
    with pytest.raises(ChaosError, match="took this runner for dead"):
        ledger.open(entry("f2_down"))
    with pytest.raises(ChaosError, match="took this runner for dead"):
        ledger.mark("f1_down", "injected")
    # Written down all the same: whoever heals must not depend on who was first.
    assert [each.name for each in read_ledger(ledger.path).open] == ["f1_down", "f2_down"]
    ledger.shut("f1_down")
    ledger.shut("f2_down")


def begin_elsewhere(folder: Path, then: str) -> str:
    start = (
        "import sys; from pathlib import Path; from chaos.healing.ledger import *; ledger = Ledger(Path(sys.argv[1]))"
    )
    code = f"{start}; {then}"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return done.stderr


def test_a_later_part_of_a_run_goes_on_with_the_ledger(tmp_path: Path) -> None:
    assert begin_elsewhere(tmp_path, "ledger.path.with_name(TAKEN_NAME).touch()") == ""
    with contextlib.closing(Ledger(tmp_path)) as ledger:
        assert read_ledger(ledger.path).part == 2
        ledger.open(entry("f1_down"))  # what was taken was taken from the earlier part
        ledger.shut("f1_down")


def test_no_part_begins_while_an_earlier_ones_faults_are_not_undone(tmp_path: Path) -> None:
    assert begin_elsewhere(tmp_path, "ledger.open(UndoEntry('f1_down', 'down', 'api_redis', (), 0.0))") == ""
    with pytest.raises(ChaosError, match=r"not undone yet: f1_down \(down on api_redis\); `nox -s heal`"):
        Ledger(tmp_path)


def test_no_part_begins_while_an_earlier_ones_runner_lives(tmp_path: Path, ledger: Ledger) -> None:
    assert f"its runner (process {os.getpid()}) is still at work" in begin_elsewhere(tmp_path, "")
    assert read_ledger(ledger.path).part == 1


def test_no_part_begins_while_somebody_heals(tmp_path: Path, ledger: Ledger) -> None:
    begun = threading.Event()

    def begin() -> None:
        with contextlib.closing(Ledger(tmp_path)):
            begun.set()

    with ledger_lock(ledger.path):
        thread = threading.Thread(target=begin)
        thread.start()
        assert not begun.wait(0.2)
    assert begun.wait(LIMIT_S)
    thread.join(LIMIT_S)


def fill(ledger: Ledger) -> None:
    for number in range(2, 100):
        ledger.open(entry(f"f{number}_down", padding="x" * 300))


def test_on_a_full_disk_opening_raises_and_what_is_there_stays_readable() -> None:
    with small_disk(64 * 1024) as folder, contextlib.closing(Ledger(folder)) as ledger:
        ledger.open(entry("f1_down"))
        filler = folder / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 512)
        # There is room to the end of the page that the ledger has begun.
        with pytest.raises(ChaosError, match="cannot be written"):
            fill(ledger)
        said = [each.name for each in read_ledger(ledger.path).open]
        filler.unlink()
        # What was refused does not come after all, and half of it spoils nothing.
        ledger.open(entry("later"))
        assert [each.name for each in read_ledger(ledger.path).open] == [*said, "later"]


def test_a_ledger_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    with pytest.raises(ChaosError, match="cannot be opened"):
        Ledger(tmp_path / "nowhere")
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(ChaosError, match="cannot be read"):
        read_ledger(tmp_path / FILE_NAME)


def test_the_runner_is_read_from_ledgers_of_earlier_versions_too(tmp_path: Path) -> None:
    own = ProcessId.own()
    for record in (own.args(), {"pid": own.pid, "created_s": own.created_s}):
        path = tmp_path / FILE_NAME
        path.write_text(json.dumps({"record": "runner", **record, "unix_s": 1.0}) + "\n", encoding="utf-8")
        assert read_ledger(path).runner == ProcessId.read(record)
        assert ProcessId.read(record).lives
