"""Log files that grow, rotate, are cut off, packed and deleted; and the disk."""

import asyncio
import gzip
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.files import DiskProbe, LogFile, LogProbe, find_logs, is_of_log, written_bytes
from harness.records import LogRef


class Log:
    """A log in a folder of a test's own, and a probe that looks at it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "api.log"
        self._probe = LogProbe(folder, [LogRef("api", self.path)])

    def write(self, size: int) -> None:
        with self.path.open("ab") as file:
            file.write(b"x" * size)

    def rotate(self, *, keep: int = 2) -> None:
        for n in range(keep, 0, -1):
            older = self.path if n == 1 else self.folder / f"api.log.{n - 1}"
            if older.exists():
                os.replace(older, self.folder / f"api.log.{n}")  # noqa: PTH105 - over the oldest, as rotations do
        self.path.touch()

    def look(self) -> tuple[float, float, float]:
        """Return bytes kept, files, bytes written."""
        values = asyncio.run(self._probe.read()).values
        return values["log.api.bytes"], values["log.api.files"], values["log.api.written_bytes"]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_a_log_that_is_not_there_yet_has_no_bytes(log: Log) -> None:
    assert log.look() == (0, 0, 0)
    log.write(5)
    assert log.look() == (5, 1, 5)
    shutil.rmtree(log.folder)
    assert log.look() == (0, 0, 5)
    log.folder.mkdir()  # as pytest expects it


def test_a_rotation_is_no_shrinking(log: Log) -> None:
    log.write(100)
    assert log.look() == (100, 1, 100)
    log.write(10)
    log.rotate()
    log.write(7)
    assert log.look() == (117, 2, 117)
    for _ in range(2):
        log.rotate()
        log.write(1)
    assert log.look() == (9, 3, 119)


def test_a_log_that_was_cut_off_goes_on(log: Log) -> None:
    log.write(100)
    log.look()
    shutil.copyfile(log.path, log.folder / "api.log.1")
    os.truncate(log.path, 0)
    log.write(30)
    assert log.look() == (130, 2, 130)


def test_packing_is_no_writing(log: Log) -> None:
    log.write(100_000)
    log.look()
    log.rotate()
    packed = gzip.compress((log.folder / "api.log.1").read_bytes())
    (log.folder / "api.log.1.gz").write_bytes(packed)
    (log.folder / "api.log.1").unlink()
    assert log.look() == (len(packed), 2, 100_000)


def test_services_of_one_folder_have_their_own(tmp_path: Path) -> None:
    for name in ("api.log", "api.1.log", "auth.log", "api.log.2", "journal.db"):
        (tmp_path / name).write_text("12345")
    (tmp_path / "api.log.d").mkdir()
    refs = [LogRef("api", tmp_path / "api.log"), LogRef("auth", tmp_path / "auth.log")]
    values = asyncio.run(LogProbe(tmp_path, refs).read()).values
    assert (values["log.api.bytes"], values["log.api.files"]) == (15, 3)
    assert (values["log.auth.bytes"], values["log.auth.files"]) == (5, 1)


@pytest.mark.parametrize(
    ("name", "is_it"),
    [
        *(("api.log", True), ("api.log.1", True), ("api.log.12.gz", True), ("api.log-20250101", True)),
        *(("api.1.log", True), ("api.12.log", True), ("api.log.2025-01-01_00", True)),
        *(("api2.log", False), ("api.logs", False), ("api.audit.log", False), ("xapi.log", False), ("api", False)),
        *(("api..log", False), ("log", False), ("", False)),
    ],
)
def test_what_is_of_a_log(name: str, is_it: bool) -> None:  # noqa: FBT001 - a table's column
    assert is_of_log(name, "api.log") == is_it
    assert is_of_log("api", "api")
    assert not is_of_log("api.log.1", "syslog")


def test_links_are_not_followed_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "api.log.1").symlink_to("/dev/zero")
    assert find_logs(tmp_path, ["api.log"]) == {"api.log": {}}


actions = st.lists(st.one_of(st.integers(0, 50), st.sampled_from(["rotate", "look"])), max_size=30)


@given(actions)
def test_what_was_written_is_told_to_the_byte_while_nothing_unseen_is_deleted(steps: list[int | str]) -> None:
    """A model of a log whose rotation keeps so many files that a look comes before any is deleted."""
    files: dict[str, LogFile] = {"log": LogFile((0, 0), 0)}
    before: dict[str, LogFile] = {}
    seen = written = made = 0
    for step in steps:
        if step == "look":
            seen += written_bytes(before, files, live="log")
            assert seen == written
            before = dict(files)
        elif step == "rotate":
            made += 1
            files = {f"log.{int(name.partition('.')[2] or 0) + 1}": file for name, file in files.items()}
            files["log"] = LogFile((0, made), 0)
        else:
            written += int(step)
            live = files["log"]
            files["log"] = live._replace(size_bytes=live.size_bytes + int(step))


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["log", "log.1", "log.2.gz"]),
            st.builds(LogFile, st.tuples(st.just(0), st.integers(0, 3)), st.integers(0, 100)),
        ),
        max_size=8,
    )
)
def test_what_was_written_never_shrinks(looks: list[dict[str, LogFile]]) -> None:
    for before, now in zip([{}, *looks], looks, strict=False):
        assert 0 <= written_bytes(before, now, live="log") <= sum(log.size_bytes for log in now.values())


def test_the_disk_has_room(tmp_path: Path) -> None:
    values, missing = DiskProbe(tmp_path).read()
    assert missing == ()
    assert values == {"disk.run.free_bytes": pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.1)}
    with pytest.raises(OSError, match="gone"):
        DiskProbe(tmp_path / "gone").read()
