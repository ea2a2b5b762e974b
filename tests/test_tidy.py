"""House rules that no linter knows, each with a sample that breaks it.

A rule takes a file's path and text and yields what is amiss, so that the same
few lines judge the repository and the samples.
"""

from __future__ import annotations

import ast
import functools
import io
import re
import subprocess
import tokenize
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("harness", "chaos", "infra", "fixtures", "suites", "reports", "benchmarks")
FILE_LINES_MAX, FUNCTION_LINES_MAX = 400, 60
BANNED = {
    *("util", "utils", "helper", "helpers", "common", "manager", "managers"),
    *("average", "attack", "downtime"),
}
MILLISECONDS = re.compile(r"(?:^|_)(?:ms|msecs?|millis|milliseconds?)(?:_|$)", re.IGNORECASE)
MILLISECONDS_LIVE_IN = PurePosixPath("chaos/faults/links/toxiproxy.py")
SLEEPS = {"time.sleep", "asyncio.sleep"}
NOQA_WITH_REASON = re.compile(r"#\s*noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)* - \w")
IGNORE_WITH_CODE = re.compile(r"#\s*type: ignore\[[\w, -]+\]")
# In pieces, for this file is searched too.
PLACES = ["/" + "work/", "/" + "tmp/scratch", "/root/" + ".", "/home/" + "runner/"]
REGISTRIES = [
    *("pypi" + ".org", "files.python" + "hosted", "proxy.go" + "lang", "sum.go" + "lang", "registry.npm" + "js"),
    *("deb.deb" + "ian", "archive.ubu" + "ntu"),
]
BUILT_IN_MARKS = {"parametrize", "skip", "skipif", "xfail", "usefixtures", "filterwarnings"}
DECLARED_MARKS = {
    text.partition(":")[0].strip()
    for text in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["markers"]
}

Rule = Callable[[PurePosixPath, str], Iterator[str]]


def short_files(path: PurePosixPath, text: str) -> Iterator[str]:
    if path.suffix == ".py" and (lines := len(text.splitlines())) > FILE_LINES_MAX:
        yield f"{lines} lines, at most {FILE_LINES_MAX}"


def short_functions(path: PurePosixPath, text: str) -> Iterator[str]:
    for node in nodes(path, text):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{node.name} has {lines} lines, at most {FUNCTION_LINES_MAX}"


def docstrings(path: PurePosixPath, text: str) -> Iterator[str]:
    if is_source(path) and not ast.get_docstring(parsed(text)):
        yield "no module docstring"


def words(path: PurePosixPath, text: str) -> Iterator[str]:
    named = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    names = [node.name for node in nodes(path, text) if isinstance(node, named)]
    for name in [*path.with_suffix("").parts, *names] if path.suffix == ".py" else []:
        if banned := BANNED.intersection(re.findall(r"[a-z]+", re.sub(r"([A-Z])", r"_\1", name).lower())):
            yield f"{name}: not {', '.join(sorted(banned))}"


def seconds(path: PurePosixPath, text: str) -> Iterator[str]:
    if path == MILLISECONDS_LIVE_IN or not is_source(path):
        return
    for name in defined_names(path, text):
        if MILLISECONDS.search(name):
            yield f"{name}: milliseconds live in {MILLISECONDS_LIVE_IN}"


def no_sleep(path: PurePosixPath, text: str) -> Iterator[str]:
    if path.parts[0] not in {"tests", "suites"}:
        return
    for node in nodes(path, text):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in SLEEPS:
            yield f"line {node.lineno}: {ast.unparse(node)}; wait on the condition, with a limit"
        elif isinstance(node, ast.ImportFrom) and any(f"{node.module}.{a.name}" in SLEEPS for a in node.names):
            yield f"line {node.lineno}: imports sleep; wait on the condition, with a limit"


def portable_text(path: PurePosixPath, text: str) -> Iterator[str]:
    del path
    for place in (*PLACES, *REGISTRIES):
        if place in text:
            yield f"names {place}"


def declared_marks(path: PurePosixPath, text: str) -> Iterator[str]:
    for node in nodes(path, text):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pytest.mark":
            known = node.attr in DECLARED_MARKS | BUILT_IN_MARKS
            yield from [] if known else [f"line {node.lineno}: mark {node.attr} is not declared in pyproject.toml"]


def reasons(path: PurePosixPath, text: str) -> Iterator[str]:
    for line, comment in comments(path, text):
        if re.search(r"#\s*noqa", comment) and not NOQA_WITH_REASON.search(comment):
            yield f"line {line}: noqa without codes and a reason: {comment}"
        if re.search(r"#\s*type:\s*ignore", comment) and not IGNORE_WITH_CODE.search(comment):
            yield f"line {line}: ignore without a code: {comment}"


def ascii_only(path: PurePosixPath, text: str) -> Iterator[str]:
    if path.suffix != ".py" or not (path.parts[0] in set(ROOMS) - {"reports"} or path.name == "noxfile.py"):
        return
    for number, line in enumerate(text.splitlines(), 1):
        if not line.isascii():
            yield f"line {number}: not ASCII; not every console can print it"


def no_addresses(path: PurePosixPath, text: str) -> Iterator[str]:
    if path.parts[0] == "requirements" and "://" in text:
        yield "holds an address"


RULES: list[Rule] = [
    *(short_files, short_functions, docstrings, words, seconds, no_sleep, portable_text),
    *(declared_marks, reasons, ascii_only, no_addresses),
]


@functools.cache
def parsed(text: str) -> ast.Module:
    """Return a file's tree: many rules walk it."""
    return ast.parse(text)


def is_source(path: PurePosixPath) -> bool:
    return path.suffix == ".py" and (path.parts[0] in ROOMS or path.name == "noxfile.py")


def nodes(path: PurePosixPath, text: str) -> Iterator[ast.AST]:
    return ast.walk(parsed(text)) if path.suffix == ".py" else iter(())


def defined_names(path: PurePosixPath, text: str) -> Iterator[str]:
    """Yield every name that a file gives: of functions, classes, arguments, variables and attributes."""
    for node in nodes(path, text):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def comments(path: PurePosixPath, text: str) -> Iterator[tuple[int, str]]:
    if path.suffix == ".py":
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


@pytest.fixture(scope="module")
def texts() -> dict[PurePosixPath, str]:
    """Read every text file that git would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    found = {}
    for path in listed:
        if path and (ROOT / path).is_file():
            content = (ROOT / path).read_bytes()
            if b"\0" not in content:
                found[PurePosixPath(path)] = content.decode("utf-8")
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_repository_keeps(rule: Rule, texts: dict[PurePosixPath, str]) -> None:
    assert {"pyproject.toml", "noxfile.py", "tests/test_tidy.py"} <= {str(path) for path in texts}
    found = [f"{path}: {amiss}" for path, text in sorted(texts.items()) for amiss in rule(path, text)]
    assert not found, "\n".join(found)


LONG_FUNCTION = "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (short_files, "chaos/a.py", "x = 1\n" * (FILE_LINES_MAX + 1)),
        (short_functions, "chaos/a.py", LONG_FUNCTION),
        (
            short_functions,
            "chaos/a.py",
            "class A:\n" + LONG_FUNCTION.replace("def", "  async def").replace("  x", "    x"),
        ),
        (docstrings, "chaos/a.py", "# only a comment\nx = 1\n"),
        (docstrings, "chaos/__init__.py", ""),
        (words, "chaos/utils.py", ""),
        (words, "chaos/http_helpers.py", ""),
        (words, "infra/common/a.py", ""),
        (words, "chaos/a.py", "class StackManager: ..."),
        (words, "chaos/a.py", "def average_latency(): ..."),
        (seconds, "chaos/a.py", "timeout_ms = 5"),
        (seconds, "chaos/conductor.py", "_MS = 1e3"),
        (seconds, "harness/a.py", "def f(*, delay_ms_p99): ..."),
        (seconds, "harness/a.py", "self.wait_millis = 5"),
        (seconds, "fixtures/a.py", "class A:\n    milliseconds: float = 0"),
        (no_sleep, "tests/a.py", "import time\ntime.sleep(1)"),
        (no_sleep, "suites/soak/a.py", "await asyncio.sleep(0)"),
        (no_sleep, "tests/a.py", "from time import sleep"),
        (no_sleep, "tests/a.py", "wait = time.sleep"),
        (declared_marks, "tests/a.py", "@pytest.mark.sokk\ndef test_a(): ..."),
        (declared_marks, "suites/a.py", "pytestmark = [pytest.mark.slow(3)]"),
        (reasons, "chaos/a.py", "x = 1  # noqa"),
        (reasons, "chaos/a.py", "x = 1  # noqa: E501"),
        (reasons, "chaos/a.py", "x = 1  # noqa: E501, S101 - "),
        (reasons, "chaos/a.py", "x = 1  # type: ignore"),
        (reasons, "chaos/a.py", "x = 1  # type: ignore # because"),
        (ascii_only, "harness/a.py", 'print("5 \N{MICRO SIGN}s")'),
        (ascii_only, "noxfile.py", "# \N{RIGHTWARDS ARROW}"),
        (no_addresses, "requirements/run.txt", "--index-url https://example.test/simple"),
        *((portable_text, "README.md", f"see {place}x") for place in (*PLACES, *REGISTRIES)),
    ],
)
def test_a_breach_is_found(rule: Rule, path: str, text: str) -> None:
    assert list(rule(PurePosixPath(path), text))


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (short_files, "chaos/a.py", "x = 1\n" * FILE_LINES_MAX),
        (short_files, "infra/toxiproxy/go.sum", "x\n" * 1000),
        (short_functions, "chaos/a.py", LONG_FUNCTION.removesuffix("    x = 1\n")),
        (docstrings, "chaos/a.py", '"""It decides something."""'),
        (words, "chaos/conductor.py", "from contextlib import contextmanager\nclass Utilisation: ..."),
        (seconds, "chaos/faults/links/toxiproxy.py", "_MS = 1e3"),
        (seconds, "chaos/a.py", 'text = f"{took_s * 1e3} ms"\nitems_s = 1\nprograms = {"ms": 1}'),
        (seconds, "tests/a.py", "took_ms = 5"),
        (no_sleep, "harness/clock.py", "import time\ntime.sleep(1)"),
        (no_sleep, "tests/a.py", "clock.sleep_s(1)\ntime.monotonic()"),
        (declared_marks, "tests/a.py", "pytest.mark.soak\npytest.mark.parametrize"),
        (reasons, "chaos/a.py", "x = 1  # noqa: E501, S101 - the reason\ny = '# noqa'"),
        (reasons, "chaos/a.py", "x = 1  # type: ignore[arg-type, misc]\nx = 1  # type: ignore[misc] # because"),
        (ascii_only, "reports/a.py", 'print("\N{MICRO SIGN}")'),
        (no_addresses, "README.md", "https://example.test"),
        (portable_text, "README.md", "a network, /tmp/x, the home page of Python"),
    ],
)
def test_what_keeps_the_rule_is_let_be(rule: Rule, path: str, text: str) -> None:
    assert list(rule(PurePosixPath(path), text)) == []


def test_every_rule_was_seen_to_fail() -> None:
    (marker,) = test_a_breach_is_found.pytestmark  # type: ignore[attr-defined] # pytest puts it there
    assert {case[0] for case in marker.args[1]} == set(RULES)
