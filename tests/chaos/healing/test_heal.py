"""What killed runs left: found by their ledgers, put back whatever else resists, and never a living runner's."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chaos.healing.heal import clear, describe_residue, heal, heal_all, heal_left, put_back
from chaos.healing.ledger import FILE_NAME, Ledger, Records, UndoEntry, read_ledger
from chaos.healing.lock import ledger_lock
from chaos.undo import Force, Step
from harness.errors import ChaosError, HealFailed
from harness.root import ROOT

LIMIT_S = 20.0
NEVER = 4e9


@dataclass
class House:
    """Things that are broken, some of them behind a door, which is the thing called `door`; the action is `mend`.

    `bug` raises what no action should; `stuck` resists, `jammed` takes force; `tries` are how often something resists
    before it gives way.
    """

    broken: set[str]
    behind: frozenset[str] = frozenset()
    stuck: frozenset[str] = frozenset()
    bug: frozenset[str] = frozenset()
    jammed: frozenset[str] = frozenset()
    tries: dict[str, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def carry_out(self, args: Mapping[str, object]) -> Force | None:
        thing = str(args["thing"])
        self.calls.append(thing)
        if thing in self.bug:
            raise ZeroDivisionError("a bug")
        self.tries[thing] = self.tries.get(thing, 0) - 1
        if thing in self.stuck or self.tries[thing] >= 0:
            raise ChaosError(f"{thing} is stuck")
        if thing in self.behind and "door" in self.broken:
            return None  # nobody there: taken for gone
        self.broken.discard(thing)
        return Force("with a crowbar", args) if thing in self.jammed else None

    def remaining(self, args: Mapping[str, object]) -> str | None:
        thing = str(args["thing"])
        hidden = thing in self.behind and "door" in self.broken
        return f"{thing} is broken" if thing in self.broken and not hidden else None


def entry(*things: str) -> UndoEntry:
    return UndoEntry(things[0], "break", "house", tuple(Step("mend", {"thing": thing}) for thing in things), NEVER)


def test_the_last_is_undone_first_and_its_last_step_before_the_others() -> None:
    house = House(set("abcd"))
    done = put_back([entry("a", "b"), entry("c", "d")], {"mend": house})
    assert house.calls == ["d", "c", "b", "a"]
    assert [attempt.error for attempt in done] == [None, None]


def test_what_resists_for_a_while_is_tried_again_and_the_others_once() -> None:
    house = House(set("abc"), tries={"b": 2})
    done = put_back([entry("a"), entry("b"), entry("c")], {"mend": house})
    assert house.calls == ["c", "b", "a", "b", "b"]
    assert not house.broken
    assert [attempt.error for attempt in done] == [None] * 3


def test_what_was_only_out_of_sight_is_found_once_the_door_is_open() -> None:
    house = House({"door", "lamp"}, behind=frozenset({"lamp"}))
    done = put_back([entry("door"), entry("lamp")], {"mend": house})
    assert not house.broken
    assert house.calls == ["lamp", "door", "lamp"]
    assert [attempt.error for attempt in done] == [None, None]


def test_what_took_force_is_told_with_what_was_put_back(tmp_path: Path) -> None:
    with contextlib.closing(Ledger(tmp_path)) as ledger:
        for one in (entry("a"), entry("b")):
            ledger.open(one)
    path = tmp_path / FILE_NAME
    healing = heal(path, read_ledger(path).open, {"mend": House(set("ab"), jammed=frozenset("b"))}, by="hand")
    assert [line.partition("; ")[2] for line in healing.put_back] == ["with a crowbar", ""]


def test_what_is_put_back_but_not_for_good_stays_open(tmp_path: Path) -> None:
    with contextlib.closing(Ledger(tmp_path)) as ledger:
        ledger.open(entry("a"))
    path, house = tmp_path / FILE_NAME, House({"a"})
    for for_good, left in ((False, 1), (True, 0)):
        assert heal(path, [entry("a")], {"mend": house}, by="hand", for_good=for_good).put_back
        assert not house.broken
        assert len(read_ledger(path).open) == left


def test_a_bug_in_one_action_is_told_and_stops_no_other() -> None:
    house = House(set("abc"), bug=frozenset("b"))
    done = put_back([entry("a"), entry("b"), entry("c")], {"mend": house}, limit_s=0.0)
    assert house.broken == {"b"}
    assert [attempt.error for attempt in done] == [None, "ZeroDivisionError: a bug", None]


LEAVE = """
import sys
from pathlib import Path
from chaos.healing.ledger import *
from chaos.undo import Step
for run in sys.argv[2:]:
    name, _, things = run.partition("=")
    folder = Path(sys.argv[1]) / name
    folder.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(folder)
    for thing in things:
        ledger.open(UndoEntry(thing, "break", "house", (Step("mend", {"thing": thing}),), 4e9))
    ledger.close()
"""


def leave(runs: Path, *described: str) -> None:
    """Have runs leave things broken whose runner is gone: `NAME=THINGS`, a letter each."""
    subprocess.run([sys.executable, "-c", LEAVE, str(runs), *described], cwd=ROOT, check=True, timeout=LIMIT_S)


def test_only_what_runners_that_are_gone_left_is_residue(tmp_path: Path) -> None:
    leave(tmp_path, "1-run=ab", "2-run=", "3-run=c")
    (tmp_path / "4-run").mkdir()
    with contextlib.closing(Ledger(tmp_path / "4-run")) as mine:
        mine.open(entry("d"))
        assert describe_residue(tmp_path) == [
            "1-run: a (break on house): mend(thing=a)",
            "1-run: b (break on house): mend(thing=b)",
            "3-run: c (break on house): mend(thing=c)",
        ]
        house = House(set("abcd"))
        healing = heal_all(tmp_path, {"mend": house})
        assert house.broken == {"d"}
        assert [line[:8] for line in healing.put_back] == ["1-run: b", "1-run: a", "3-run: c"]
        assert not healing.resisting
        assert describe_residue(tmp_path) == []
        assert [each.name for each in read_ledger(mine.path).open] == ["d"]
    assert '"closed", "name": "a", "by": "hand"' in (tmp_path / "1-run" / FILE_NAME).read_text()


def test_a_run_begins_once_everything_is_whole_or_not_at_all(tmp_path: Path) -> None:
    leave(tmp_path, "1-run=ab")
    house = House(set("ab"), stuck=frozenset("a"))
    with pytest.raises(HealFailed, match=r"remove the run's undo.jsonl\): 1-run: a \(break on house\): a is stuck"):
        clear(tmp_path, {"mend": house}, limit_s=0.0)
    assert describe_residue(tmp_path) == ["1-run: a (break on house): mend(thing=a)"]
    house.stuck = frozenset()
    assert clear(tmp_path, {"mend": house}) == ["1-run: a (break on house): mend(thing=a)"]
    assert clear(tmp_path, {"mend": house}) == []
    assert not house.broken
    assert clear(tmp_path / "nowhere", {"mend": house}) == []


def test_a_ledger_that_cannot_be_read_is_told_and_keeps_no_other_from_being_healed(tmp_path: Path) -> None:
    leave(tmp_path, "1-run=", "2-run=a")
    with (tmp_path / "1-run" / FILE_NAME).open("a") as file:
        file.write('{"record": "open"}\n')
    house = House({"a"})
    healing = heal_all(tmp_path, {"mend": house})
    assert not house.broken
    assert "holds what no ledger would" in healing.resisting[0]


def test_two_who_heal_take_turns_and_the_second_finds_nothing(tmp_path: Path) -> None:
    leave(tmp_path, "1-run=a")
    path, house = tmp_path / "1-run" / FILE_NAME, House({"a"})
    healed: list[object] = []
    thread = threading.Thread(target=lambda: healed.append(heal_left(path, {"mend": house}, by="hand")))
    with ledger_lock(path):
        thread.start()
        thread.join(0.2)
        assert house.broken == {"a"}
        with contextlib.closing(Records(path)) as records:
            records.shut("a")
    thread.join(LIMIT_S)
    assert house.calls == []
    assert len(healed) == 1
