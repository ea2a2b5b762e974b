"""Only a plain file with our prefix is ever removed, whatever the ledger says."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.faults.stores.ballast import BALLAST_PREFIX, RemoveFile
from chaos.undo import Step, undo
from harness.errors import Refused


def test_a_file_of_ours_is_removed_once_and_for_all(tmp_path: Path) -> None:
    path = tmp_path / f"{BALLAST_PREFIX}f1"
    path.write_bytes(b"x" * 10)
    action, args = RemoveFile(), {"path": str(path)}
    assert action.remaining(args) == f"{path} still takes 10 bytes"
    undo([Step("file.remove", args)], {"file.remove": action})
    assert not path.exists()
    undo([Step("file.remove", args)], {"file.remove": action})


@pytest.mark.parametrize(
    "name",
    ["data", f"x{BALLAST_PREFIX}", f"{BALLAST_PREFIX}x/data", f"{BALLAST_PREFIX}x/../data", f"../{BALLAST_PREFIX}x"],
)
def test_any_other_file_is_let_be(tmp_path: Path, name: str) -> None:
    inner = tmp_path / "inner"
    (inner / f"{BALLAST_PREFIX}x").mkdir(parents=True)
    for place in (inner / "data", inner / f"{BALLAST_PREFIX}x" / "data", inner / f"x{BALLAST_PREFIX}"):
        place.write_bytes(b"x")
    for call in (RemoveFile().carry_out, RemoveFile().remaining):
        with pytest.raises(Refused, match="left alone"):
            call({"path": f"{inner}/{name}"})
    assert (inner / "data").exists()


def test_a_relative_path_is_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"{BALLAST_PREFIX}x").write_bytes(b"x")
    with pytest.raises(Refused):
        RemoveFile().carry_out({"path": f"{BALLAST_PREFIX}x"})


def test_what_is_no_plain_file_is_let_be(tmp_path: Path) -> None:
    folder, link, other = (tmp_path / f"{BALLAST_PREFIX}{name}" for name in ("folder", "link", "other"))
    folder.mkdir()
    other.write_bytes(b"x")
    link.symlink_to(other)
    for path in (folder, link):
        with pytest.raises(Refused, match="no plain file"):
            RemoveFile().carry_out({"path": str(path)})
        assert path.exists()
