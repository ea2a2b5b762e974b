"""Who may import whom: the house's table, checked with ast over every Python file that git would track.

The table is what keeps `chaos` and `infra` apart, an old run readable without a
stack, and the services alone in their container. No module imports itself by
way of others, and async stays where the house put it.
"""

from __future__ import annotations

import ast
import graphlib
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[1]
ANYTHING = frozenset({"harness", "chaos", "infra", "reports", "fixtures", "suites", "tests"})
# Room to the rooms that it may import besides itself.
MAY_IMPORT: Mapping[str, frozenset[str]] = {
    "infra/services": frozenset(),
    "harness": frozenset(),
    "chaos": frozenset({"harness"}),
    "infra": frozenset({"harness"}),
    "reports": frozenset({"harness"}),
    "fixtures": frozenset({"harness", "chaos", "infra", "reports"}),
    "suites": frozenset({"harness", "chaos"}),
    "noxfile": frozenset(),
    "benchmarks": ANYTHING,
    "tests": ANYTHING | {"benchmarks", "infra/services", "noxfile"},
}
MAY_BE_ASYNC = (
    "harness/load/",
    "harness/probes/",
    "harness/heartbeat/",
    "harness/history/final_read.py",
    "chaos/guards/claim_postgres.py",
    "chaos/faults/stores/slots.py",
    "infra/services/",
    "tests/",
    "benchmarks/",
)
ASYNC = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)

Sources = Mapping[PurePosixPath, ast.Module]


def read_sources(root: Path, paths: Iterable[str]) -> Sources:
    """Return the parsed files by their paths from `root`."""
    return {PurePosixPath(path): ast.parse((root / path).read_text(encoding="utf-8"), path) for path in paths}


@pytest.fixture(scope="module")
def sources() -> Sources:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.py"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return read_sources(ROOT, [path for path in listed if path and (ROOT / path).is_file()])


def module_of(path: PurePosixPath) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """Return the room that a module is in; the services are one of their own, by whichever name they are called."""
    parts = module.split(".")
    if parts[:2] == ["infra", "services"] or parts[0] == "services":
        return "infra/services"
    return parts[0]


def imported(path: PurePosixPath, tree: ast.Module) -> Iterator[str]:
    """Yield the absolute names of all that a file imports, wherever in it; of `from a import b`, `a` and `a.b`."""
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"importlib.import_module", "import_module"}:
            yield from (str(a.value) for a in node.args[:1] if isinstance(a, ast.Constant))


def trespasses(sources: Sources) -> list[str]:
    """Return each import that the table does not allow, and each file in a room that the table does not know."""
    found = set()
    for path, tree in sources.items():
        room = room_of(module_of(path))
        if room not in MAY_IMPORT:
            found.add(f"{path}: {room} is not in the table")
            continue
        for name in imported(path, tree):
            other = room_of(name)
            if other in MAY_IMPORT and other != room and other not in MAY_IMPORT[room]:
                found.add(f"{path}: {room} imports {name}")
            if room == "infra/services" and name.split(".")[0] == "services":
                found.add(f"{path}: {name}: a service imports its own folder relatively")
    return sorted(found)


def past_a_face(sources: Sources) -> list[str]:
    """Return each import of a module inside a room, by a file of another top-level room."""
    rooms = {module_of(path) for path in sources if path.name == "__init__.py"}
    found = set()
    for path, tree in sources.items():
        top = path.parts[0]
        if top in {"tests", "benchmarks"}:
            continue
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        for module in modules:
            parts = module.split(".")
            if parts[0] != top and len(parts) > 2 and ".".join(parts[:2]) in rooms:
                found.add(f"{path}: imports {module} past the face of {'.'.join(parts[:2])}")
    return sorted(found)


def circles(sources: Sources) -> list[str]:
    """Return one circle of imports, if there is any."""
    modules = {module_of(path) for path in sources}
    graph = {module_of(path): {*imported(path, tree)} & modules - {module_of(path)} for path, tree in sources.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return [" <- ".join(error.args[1])]
    return []


def strayed_async(sources: Sources) -> list[str]:
    """Return each file outside the async rooms that has async code, with its first line of it."""
    found = []
    for path, tree in sources.items():
        lines = [node.lineno for node in ast.walk(tree) if isinstance(node, ASYNC)]
        lines += [
            node.target.lineno for node in ast.walk(tree) if isinstance(node, ast.comprehension) and node.is_async
        ]
        if lines and not str(path).startswith(MAY_BE_ASYNC):
            found.append(f"{path}:{min(lines)}: async outside {', '.join(MAY_BE_ASYNC)}")
    return found


def test_the_repository_keeps_the_table(sources: Sources) -> None:
    assert {room_of(module_of(path)) for path in sources} >= {"harness", "chaos", "infra", "infra/services", "tests"}
    found = trespasses(sources)
    assert not found, "\n".join(found)


def test_the_repository_enters_rooms_by_their_faces(sources: Sources) -> None:
    found = past_a_face(sources)
    assert not found, "\n".join(found)


def test_the_repository_has_no_circle(sources: Sources) -> None:
    found = circles(sources)
    assert not found, "\n".join(found)


def test_async_stays_in_its_rooms(sources: Sources) -> None:
    found = strayed_async(sources)
    assert not found, "\n".join(found)


def sample(root: Path, files: Mapping[str, str]) -> Sources:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return read_sources(root, files)


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        ("harness/a.py", "import chaos.faults", "harness imports chaos.faults"),
        ("harness/load/a.py", "from tests import x", "harness imports tests"),
        ("harness/a.py", "def f():\n    from reports import html", "harness imports reports"),
        ("chaos/a.py", "from infra.ports import free_port", "chaos imports infra.ports"),
        ("chaos/a.py", "if TYPE_CHECKING:\n    import fixtures", "chaos imports fixtures"),
        ("infra/a.py", "import chaos", "infra imports chaos"),
        ("infra/a.py", "from .services import api", "infra imports infra.services.api"),
        ("infra/a.py", "from infra import services", "infra imports infra.services"),
        ("infra/a.py", "import importlib\nimportlib.import_module('services.api')", "infra imports services.api"),
        ("infra/services/a.py", "from harness import units", "infra/services imports harness"),
        ("infra/services/a.py", "from .. import ready", "infra/services imports infra.ready"),
        ("infra/services/a.py", "from services import pool", "imports its own folder relatively"),
        ("reports/a.py", "from fixtures.run import path", "reports imports fixtures.run"),
        ("fixtures/a.py", "import suites.soak", "fixtures imports suites.soak"),
        ("fixtures/a.py", "from infra.services import pool", "fixtures imports infra.services"),
        ("suites/soak/a.py", "from fixtures import run", "suites imports fixtures"),
        ("suites/soak/a.py", "import infra.stack", "suites imports infra.stack"),
        ("noxfile.py", "from infra import ports", "noxfile imports infra"),
        ("benchmarks/a.py", "import noxfile", "benchmarks imports noxfile"),
        ("extras/a.py", "import json", "extras is not in the table"),
    ],
)
def test_a_trespass_is_found(path: str, text: str, told: str, tmp_path: Path) -> None:
    found = trespasses(sample(tmp_path, {path: text}))
    assert any(told in one for one in found), found
    assert all(one.startswith(f"{path}: ") for one in found)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("harness/a.py", "import json, numpy\nfrom harness.units import format_s"),
        ("chaos/a.py", "from chaos.canary.canary import Seen\nfrom harness import errors"),
        ("infra/services/a.py", "from .pool import Pool\nfrom . import pool\nimport asyncpg"),
        ("fixtures/a.py", "import harness, chaos, infra.stack, reports"),
        ("suites/soak/a.py", "from harness import budget\nfrom chaos import scenario\nfrom suites.soak import b"),
        ("tests/infra/a.py", "import infra.services.pool, noxfile, suites, benchmarks.a"),
        ("noxfile.py", "import nox"),
    ],
)
def test_what_the_table_allows_is_no_trespass(path: str, text: str, tmp_path: Path) -> None:
    assert trespasses(sample(tmp_path, {path: text})) == []


ROOM = {"chaos/profile/__init__.py": "from chaos.profile.file import load", "chaos/profile/file.py": "load = 1"}


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        ("fixtures/a.py", "from chaos.profile.file import load", ["fixtures/a.py"]),
        ("fixtures/run/a.py", "def f():\n    import chaos.profile.file", ["fixtures/run/a.py"]),
        ("suites/soak/a.py", "from chaos.profile.deep.file import load", ["suites/soak/a.py"]),
        ("fixtures/a.py", "from chaos.profile import load\nfrom chaos.conductor import Conductor", []),
        ("chaos/a.py", "from chaos.profile.file import load", []),
        ("tests/chaos/a.py", "from chaos.profile.file import load", []),
    ],
)
def test_an_import_past_a_face_is_found(path: str, text: str, told: Sequence[str], tmp_path: Path) -> None:
    found = past_a_face(sample(tmp_path, {**ROOM, path: text}))
    assert [one.partition(":")[0] for one in found] == told


def test_a_face_says_in_one_sentence_what_its_room_decides(sources: Sources) -> None:
    faces = {
        path: ast.get_docstring(tree) or ""
        for path, tree in sources.items()
        if path.name == "__init__.py" and path.parts[:2] != ("infra", "services")
    }
    assert len(faces) > 20
    assert not [path for path, text in faces.items() if text.count("\n") or not text.endswith(".")]


CIRCLES: Sequence[Mapping[str, str]] = [
    {
        "harness/a.py": "from harness import b",
        "harness/b.py": "from harness.c import x",
        "harness/c.py": "import harness.a",
    },
    {"chaos/a.py": "def f():\n    from .b import x", "chaos/b.py": "from . import a"},
    {"chaos/__init__.py": "from .a import x", "chaos/a.py": "from chaos import y"},
    {"chaos/a.py": "import harness.a", "harness/a.py": "import chaos.a"},
]


@pytest.mark.parametrize("files", CIRCLES, ids=["three", "two", "package", "rooms"])
def test_a_circle_is_found_and_drawn(files: Mapping[str, str], tmp_path: Path) -> None:
    (drawn,) = circles(sample(tmp_path, files))
    assert {module_of(PurePosixPath(path)) for path in files} == set(drawn.split(" <- "))


def test_a_shared_import_is_no_circle(tmp_path: Path) -> None:
    files = {"chaos/a.py": "from chaos import b, c", "chaos/b.py": "from chaos import c", "chaos/c.py": "import json"}
    assert circles(sample(tmp_path, {**files, "chaos/__init__.py": ""})) == []


@pytest.mark.parametrize(
    "text",
    [
        "async def f(): ...",
        "async def f():\n    await g()",
        "async def f():\n    async with g(): ...",
        "async def f():\n    return [x async for x in g()]",
    ],
)
def test_async_out_of_its_rooms_is_found(text: str, tmp_path: Path) -> None:
    files = {
        "reports/a.py": text,
        "chaos/profile/timeline.py": text,
        "harness/load/a.py": text,
        "chaos/guards/claim_postgres.py": text,
    }
    found = strayed_async(sample(tmp_path, files))
    assert [one.partition(":")[0] for one in found] == ["reports/a.py", "chaos/profile/timeline.py"]
