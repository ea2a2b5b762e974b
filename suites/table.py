"""The READMEs' tables of suites, written from the docstrings of the test files and from tiers.toml."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from harness.tables import read_toml
from suites.tiers import FILE, read_tier

_SUITES = Path(__file__).parent
_TWINS = "_twins"


def verbs() -> str:
    """Return a table of every suite's verb, with what it does and how long it takes."""
    rows = [f"| `make {session.replace('_', '-')}` | {_sentence(path, session)} |\n" for session, path in sessions()]
    twins = "| `make twins` | The must-fail twins of them all: each planted bug must be found. |\n"
    return "".join(["| verb | what |\n| --- | --- |\n", *rows, twins])


def proofs() -> str:
    """Return a table of every test file, with what it proves."""
    rows = [f"| `{path.parent.name}/{path.name}` | {' '.join(_docstring(path).split())} |\n" for path in _tests()]
    return "".join(["| test | proves |\n| --- | --- |\n", *rows])


def sessions() -> Iterator[tuple[str, Path]]:
    """Yield each session with its test file: the files by the names that they give, then tiers that name another's."""
    own = {_session(path): path for path in _tests() if not path.stem.endswith(_TWINS)}
    yield from own.items()
    for tier in read_toml(FILE).keys() - own.keys():
        yield tier, _SUITES / str(read_tier(tier).test)


def _tests() -> list[Path]:
    return sorted(_SUITES.glob("*/test_*.py"))


def _session(path: Path) -> str:
    suite, name = path.parent.name, path.stem.removeprefix("test_")
    return suite if name == suite else f"{suite}_{name}"


def _sentence(path: Path, session: str) -> str:
    """Return the first line of a test file, and how long a tier takes."""
    line = _docstring(path).splitlines()[0].removesuffix(".")
    return f"{line} ({read_tier(session).takes})." if session in read_toml(FILE) else f"{line}."


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
