from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from tests.mutants.catalogue import FOLDER, Index, Mutant
from tests.mutants.trials import Copy, Fate, try_rest

pytestmark = pytest.mark.thorough

FILES = {
    "tests/mutants/unshrunk.py": (FOLDER / "unshrunk.py").read_text(encoding="utf-8"),
    "room/sums.py": "def total(values):\n    n = 0\n    while n < 1:\n        n += 1\n    return sum(values) + n - 1\n",
    "tests/test_sums.py": "from room.sums import total\n\ndef test_total():\n    assert total([1, 2]) == 3\n",
    "tests/test_other.py": "def test_other():\n    assert True\n",
    "tests/test_red.py": "def test_red():\n    assert False\n",
    "tests/empty.py": "",
}
LIMIT_S = 60.0


@pytest.fixture
def original(tmp_path: Path) -> Path:
    for path, text in FILES.items():
        (tmp_path / "original" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "original" / path).write_text(text, encoding="utf-8")
    return tmp_path / "original"


@pytest.fixture
def copy(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Copy:
    # Pytest starts much faster without its plugins.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return Copy(original, [PurePosixPath(path) for path in FILES], tmp_path / "copy")


def texts(root: Path) -> dict[str, str]:
    return {path: (root / path).read_text(encoding="utf-8") for path in FILES}


@pytest.mark.parametrize(
    ("change", "tests", "fate"),
    [
        (("sum", "max"), "tests/test_sums.py", Fate.KILLED),
        (("def", "de"), "tests/test_sums.py", Fate.KILLED),
        (("n < 1", "n < 0.5"), "tests/test_sums.py", Fate.SURVIVED),
        (("sum", "max"), "tests/empty.py", Fate.UNDECIDED),
    ],
)
def test_a_mutant_is_killed_by_a_test_that_fails(
    change: tuple[str, str], tests: str, fate: Fate, original: Path, copy: Copy
) -> None:
    mutant = Mutant("a_bug", "room", "total", *change)
    place = Index(original, map(PurePosixPath, FILES)).find(mutant)
    with copy.broken(mutant, place):
        assert texts(copy.folder) == FILES | {"room/sums.py": place.mutated(mutant)}
        assert copy.run([tests], limit_s=LIMIT_S).fate is fate
    assert texts(copy.folder) == texts(original) == FILES


def test_bytecode_of_the_other_text_is_never_used(original: Path, copy: Copy) -> None:
    mutant = Mutant("a_bug", "room", "total", "sum", "max")
    place = Index(original, map(PurePosixPath, FILES)).find(mutant)
    fates = []
    for _ in range(2):
        fates.append(copy.run(["tests/test_sums.py"], limit_s=LIMIT_S).fate)
        with copy.broken(mutant, place):
            fates.append(copy.run(["tests/test_sums.py"], limit_s=LIMIT_S).fate)
    assert fates == [Fate.SURVIVED, Fate.KILLED] * 2


def test_a_test_that_never_ends_has_seen_the_mutant(original: Path, copy: Copy) -> None:
    mutant = Mutant("a_bug", "room", "total", "n += 1", "n += 0")
    place = Index(original, map(PurePosixPath, FILES)).find(mutant)
    with copy.broken(mutant, place):
        assert copy.run(["tests/test_sums.py"], limit_s=3.0).fate is Fate.TIMED_OUT


@pytest.mark.parametrize(
    ("tests", "fate", "failed"),
    [
        (["tests/test_red.py", "tests/test_sums.py"], Fate.KILLED, ("tests/test_sums.py::test_total",)),
        (["tests/test_red.py", "tests/test_other.py"], Fate.SURVIVED, ()),
    ],
)
def test_what_fails_without_a_mutant_proves_nothing(
    tests: list[str], fate: Fate, failed: tuple[str, ...], original: Path, copy: Copy
) -> None:
    mutant = Mutant("a_bug", "room", "total", "sum", "max")
    place = Index(original, map(PurePosixPath, FILES)).find(mutant)
    ended = try_rest(copy, mutant, place, tests, heavy=False)
    assert (ended.fate, ended.failed) == (fate, failed)


def test_what_fails_without_a_mutant_can_be_left_out(original: Path, copy: Copy) -> None:
    tests = ["tests/test_red.py", "tests/test_sums.py"]
    control = copy.run(tests, limit_s=LIMIT_S, every=True)
    assert control.failed == ("tests/test_red.py::test_red",)
    mutant = Mutant("a_bug", "room", "total", "sum", "max")
    with copy.broken(mutant, Index(original, map(PurePosixPath, FILES)).find(mutant)):
        ended = copy.run(tests, limit_s=LIMIT_S, but=control.failed)
    assert (ended.fate, ended.failed) == (Fate.KILLED, ("tests/test_sums.py::test_total",))
