from pathlib import Path

import pytest

from harness.errors import InputError
from harness.load.call import Call
from harness.load.clients.clients import Clients
from harness.load.operations.registry import Operations, load_module
from harness.records import Outcome

GOOD = """
from harness.load import Operations
from harness.records import Outcome

operations = Operations()


@operations.register("own_read", needs=("postgres",))
async def own_read(clients, call):
    return Outcome.OK
"""


async def nothing(_clients: Clients, _call: Call) -> Outcome:
    return Outcome.OK


def test_an_operation_is_known_by_its_name() -> None:
    operations = Operations()
    assert operations.register("read", needs=("api", "redis"))(nothing) is nothing
    assert list(operations) == ["read"]
    assert operations["read"].operation is nothing
    assert operations["read"].needs == {"api", "redis"}


@pytest.mark.parametrize(
    ("name", "needs", "rule"),
    [
        ("read", ("api",), "two operations"),
        ("a-b", ("api",), "letters, digits"),
        ("b", ("kafka",), "unknown client kafka"),
    ],
)
def test_what_cannot_be_registered_is_refused(name: str, needs: tuple[str, ...], rule: str) -> None:
    operations = Operations()
    operations.register("read")(nothing)
    with pytest.raises(ValueError, match=rule):
        operations.register(name, needs=needs)


def test_a_module_brings_its_operations(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(GOOD)
    operations = load_module("t.toml", tmp_path / "own.py")
    assert list(operations) == ["own_read"]
    assert operations["own_read"].needs == {"postgres"}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (None, "must be a Python file beside the target file"),
        ("import nowhere_at_all", "cannot be imported: ModuleNotFoundError"),
        ("1 / 0", "cannot be imported: ZeroDivisionError"),
        ("def f(:", "cannot be imported: SyntaxError"),
        ("x = 1", "must define `operations = Operations()`"),
    ],
)
def test_a_module_that_cannot_be_used_is_told_with_its_reason(tmp_path: Path, text: str | None, rule: str) -> None:
    path = tmp_path / "own.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError) as refused:
        load_module("t.toml", path)
    assert (refused.value.source, refused.value.key) == ("t.toml", "load.module")
    assert refused.value.rule.startswith(rule)
