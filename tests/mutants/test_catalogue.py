from __future__ import annotations

import ast
import textwrap
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pytest

from tests.mutants.__main__ import ROOT, choose, list_files
from tests.mutants.catalogue import Index, Mutant, Place, mirror_of, nearest, read_mutants

MUTANTS_MIN = 60
SOURCE = """
import json

LIMIT = 3

def least(values):
    return min(values)

if json:
    def most(values):
        def inner(value):
            return value + 1

        return max(values, key=inner)

class Shop:
    OPEN: bool = True

    @property
    def price(self):
        return self.cost + self.tax

class Stall:
    @staticmethod
    def price():
        return 1 + 1
"""


def index_of(root: Path, files: Mapping[str, str]) -> Index:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return Index(root, map(PurePosixPath, files))


def mutant(symbol: str, was: str, now: str = "0") -> Mutant:
    return Mutant("a_bug", "room", symbol, was, now)


@pytest.mark.parametrize(
    ("symbol", "was", "line"),
    [
        ("LIMIT", "3", 4),
        ("least", "min(values)", 7),
        ("most", "value + 1", 12),
        ("most.inner", "value + 1", 12),
        ("Shop.OPEN", "True", 17),
        ("Shop.price", "@property", 19),
        ("Shop.price", "self.cost + self.tax", 21),
        ("Shop", "self.cost + self.tax", 21),
    ],
)
@pytest.mark.parametrize("path", ["room/a.py", "room/deep/er/b.py"])
def test_a_mutant_is_found_by_its_symbol_wherever_that_is(
    path: str, symbol: str, was: str, line: int, tmp_path: Path
) -> None:
    place = index_of(tmp_path, {path: SOURCE, "other/a.py": SOURCE, "tests/room/test_a.py": SOURCE}).find(
        mutant(symbol, was)
    )
    assert (str(place.path), SOURCE.count("\n", 0, place.offset) + 1) == (path, line)
    assert place.mutated(mutant(symbol, was)).splitlines()[line - 1] == SOURCE.splitlines()[line - 1].replace(was, "0")


@pytest.mark.parametrize(
    ("symbol", "was"),
    [
        ("gone", "min"),  # no such symbol
        ("least", "max"),  # the text is elsewhere
        ("price", "self.cost"),  # not by its full name
        ("Stall.price", "1"),  # twice in one symbol
        ("least", "sum"),
    ],
)
def test_what_is_not_found_once_is_refused(symbol: str, was: str, tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="a_bug"):
        index_of(tmp_path, {"room/a.py": SOURCE}).find(mutant(symbol, was))


def test_a_symbol_of_two_files_needs_a_text_that_only_one_has(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"room/a.py": "def f():\n    return 1 + 2\n", "room/b.py": "def f():\n    return 1\n"})
    assert index.find(mutant("f", "+ 2")).path == PurePosixPath("room/a.py")
    with pytest.raises(LookupError, match=r"2 times.*room/a\.py:1, room/b\.py:1"):
        index.find(mutant("f", "return 1"))


@pytest.mark.parametrize(
    "table",
    [
        "[a]\nsymbol = 'f'\nwas = 'x'\nnow = 'x'",
        "[a]\nsymbol = 'f'\nwas = ''\nnow = 'x'",
        "[a]\nsymbol = 'f'\nwas = \"x\\ny\"\nnow = 'x'",
        "[there]\nsymbol = 'f'\nwas = 'x'\nnow = 'y'",
    ],
)
def test_what_is_no_mutant_of_its_own_is_refused(table: str, tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_text("[there]\nsymbol = 'f'\nwas = 'x'\nnow = 'y'", encoding="utf-8")
    assert read_mutants(tmp_path) == [Mutant("there", "harness", "f", "x", "y")]
    (tmp_path / "room.toml").write_text(table, encoding="utf-8")
    with pytest.raises(ValueError, match=r"a: |there: "):
        read_mutants(tmp_path)


def test_the_mirror_is_the_test_of_the_same_name_or_those_that_import_the_module(tmp_path: Path) -> None:
    files = {
        "tests/room/deep/test_a.py": "",
        "tests/room/deep/test_a_again.py": "",
        "tests/room/deep/test_a_b.py": "",
        "tests/room/deep/test_ab.py": "",
        "tests/room/test_b.py": "from room.deep.a import f",
        "room/deep/a_b.py": "",
        "tests/room/test_c.py": "def test():\n    from room.deep import d",
        "tests/test_e.py": "import room.deep.d",
        "tests/room/lent.py": "import room.deep.d",
        "tests/room/test_g.py": textwrap.dedent("""
            import room.deep.dd
            from room import deep
        """),
    }
    index_of(tmp_path, files)
    paths = [PurePosixPath(path) for path in files]

    def mirror(path: str) -> list[str]:
        return [str(test) for test in mirror_of(PurePosixPath(path), tmp_path, paths)]

    assert mirror("room/deep/a.py") == ["tests/room/deep/test_a.py", "tests/room/deep/test_a_again.py"]
    assert mirror("room/deep/d.py") == ["tests/room/test_c.py", "tests/test_e.py"]
    assert mirror("room/z.py") == []
    tests = [PurePosixPath(f"tests/{test}.py") for test in ("room/test_b", "room/deep/test_a", "test_e")]
    near = nearest(PurePosixPath("room/deep/d.py"), tmp_path, tests)
    assert near == [str(tests[n]) for n in (2, 1, 0)]


def test_mutants_are_chosen_by_name_number_and_room() -> None:
    one, two, three = (Mutant(name, room, "f", "x", "y") for name, room in (("a", "r"), ("b", "r"), ("c", "s")))
    assert choose([one, two, three], []) == [one, two, three]
    assert choose([one, two, three], ["3", "b"]) == [two, three]
    assert choose([one, two, three], ["r"]) == [one, two]
    with pytest.raises(LookupError, match="4"):
        choose([one, two, three], ["a", "4"])


def test_every_mutant_of_this_repository_is_there_once_and_parses() -> None:
    mutants, index = read_mutants(), Index(ROOT, list_files(ROOT))
    assert len(mutants) >= MUTANTS_MIN
    assert {each.room for each in mutants} >= {"harness", "chaos", "infra", "fixtures", "reports"}
    lost = []
    for each in mutants:
        try:
            place: Place = index.find(each)
            ast.parse(place.mutated(each))
        except (LookupError, SyntaxError) as error:
            lost.append(f"{each.name}: {error}")
    assert not lost, "\n".join(lost)
