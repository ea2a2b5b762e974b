"""The mutants: one-line breakages, each found by its room and symbol, never by its path.

A file of this folder holds the mutants of the top-level room that it is named after. A table is one mutant: in the
source of `symbol` (a function, `Class.method`, or a name assigned at the top of a module or class), the text `was`
becomes `now`. Moving or renaming a file breaks none of them; what is not found exactly once is refused.
"""

from __future__ import annotations

import ast
import functools
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

FOLDER = Path(__file__).resolve().parent
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One breakage."""

    name: str
    room: str
    symbol: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mutant's text is: a file by its path from the root, and the offset in that file's text."""

    path: PurePosixPath
    source: str
    offset: int

    def mutated(self, mutant: Mutant) -> str:
        """Return the file's text with the breakage in it."""
        return self.source[: self.offset] + mutant.now + self.source[self.offset + len(mutant.was) :]


def read_mutants(folder: Path = FOLDER) -> list[Mutant]:
    """Return every mutant of a folder of TOML files, in order. Raises ValueError for one that is no one-line change."""
    mutants: dict[str, Mutant] = {}
    for path in sorted(folder.glob("*.toml")):
        for name, fields in tomllib.loads(path.read_text(encoding="utf-8")).items():
            mutant = Mutant(name=name, room=path.stem, **fields)
            if name in mutants:
                raise ValueError(f"{name}: there are two mutants of this name")
            if not mutant.was or "\n" in mutant.was + mutant.now or mutant.was == mutant.now:
                raise ValueError(f"{name}: must change some text within one line")
            mutants[name] = mutant
    return list(mutants.values())


class Index:
    """The symbols of a tree's Python files, by room and qualified name."""

    def __init__(self, root: Path, paths: Iterable[PurePosixPath]) -> None:
        self._sources: dict[PurePosixPath, str] = {}
        # Room and symbol to the files that define it, with the first and the last line of each definition.
        self._places: defaultdict[tuple[str, str], list[tuple[PurePosixPath, int, int]]] = defaultdict(list)
        for path in paths:
            if path.suffix == ".py" and path.parts[0] != "tests":
                source = self._sources[path] = (root / path).read_text(encoding="utf-8")
                for symbol, first, last in symbols(ast.parse(source)):
                    self._places[path.parts[0], symbol].append((path, first, last))

    def find(self, mutant: Mutant) -> Place:
        """Return the one place of a mutant. Raises LookupError where there is none, or more than one."""
        definitions = self._places.get((mutant.room, mutant.symbol), [])
        if not definitions:
            raise LookupError(f"{mutant.name}: no {mutant.symbol} in {mutant.room}/")
        found = [place for path, first, last in definitions for place in self._within(mutant.was, path, first, last)]
        if len(found) != 1:
            where = ", ".join(f"{path}:{first}" for path, first, _ in definitions)
            raise LookupError(
                f"{mutant.name}: {len(found)} times {mutant.was!r} in {mutant.symbol} ({where}), not once"
            )
        return found[0]

    def _within(self, text: str, path: PurePosixPath, first: int, last: int) -> Iterator[Place]:
        source = self._sources[path]
        lines = source.splitlines(keepends=True)
        begins, ends = (sum(map(len, lines[:line])) for line in (first - 1, last))
        offset = source.find(text, begins, ends)
        while offset >= 0:
            yield Place(path, source, offset)
            offset = source.find(text, offset + 1, ends)


def symbols(node: ast.AST, within: str = "") -> Iterator[tuple[str, int, int]]:
    """Yield (qualified name, first line, last line) of what a tree defines, nested functions too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _NAMED):
            first = min([child.lineno, *(each.lineno for each in child.decorator_list)])
            yield f"{within}{child.name}", first, child.end_lineno or child.lineno
            yield from symbols(child, f"{within}{child.name}.")
            continue
        if isinstance(child, ast.Assign | ast.AnnAssign) and not isinstance(node, ast.FunctionDef):
            for target in child.targets if isinstance(child, ast.Assign) else [child.target]:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        yield f"{within}{name.id}", child.lineno, child.end_lineno or child.lineno
        yield from symbols(child, within)


def mirror_of(path: PurePosixPath, root: Path, paths: Iterable[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    """Return the tests that mirror a source file: those of its name, or else those that import its module.

    Of its name are `test_NAME.py` and every `test_NAME_MORE.py` that mirrors no other file.
    """
    every = [*paths]
    tests = [each for each in every if each.parts[0] == "tests" and each.name.startswith("test_")]
    mirror = [
        test
        for test in tests
        if test.parent == "tests" / path.parent
        and f"{test.stem}_".startswith(f"test_{path.stem}_")
        and (test.stem == f"test_{path.stem}" or path.with_name(test.name.removeprefix("test_")) not in every)
    ]
    if mirror:
        return tuple(sorted(mirror, key=lambda test: len(test.name)))
    return tuple(test for test in tests if imports(test, path, root))


def nearest(path: PurePosixPath, root: Path, tests: Iterable[PurePosixPath]) -> list[str]:
    """Return tests, those first that import a source file's module, then those of its folder, then of its room."""

    def distance(test: PurePosixPath) -> tuple[bool, bool, bool]:
        return not imports(test, path, root), test.parent != "tests" / path.parent, test.parts[1] != path.parts[0]

    return [str(test) for test in sorted(tests, key=distance)]


def imports(test: PurePosixPath, path: PurePosixPath, root: Path) -> bool:
    """Return whether a test names the module of a source file in an import."""
    module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    return module in imported((root / test).read_text(encoding="utf-8"))


@functools.cache
def imported(source: str) -> frozenset[str]:
    """Return the absolute names that a file imports; of `from a import b`, both `a` and `a.b`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    return frozenset(names)
