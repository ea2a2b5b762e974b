import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import StackError
from harness.identity import ProcessId
from infra.local.leftovers import FILE_NAME, StackRecord, abandoned_stacks, forget, read_record, take_down
from infra.local.reaper import FOLDER_PREFIX, remove_folder
from infra.processes import Child, Program, ServiceProcess, end, minimal_environment, own_process, runs, start
from tests.processes import stranger_to

DEAD = ServiceProcess("runner", ProcessId(2**22 + 1, 0.0))


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    command = (sys.executable, "-c", "import signal; signal.pause()")
    child = start(Program("redis", command, tmp_path, minimal_environment()), tmp_path)
    yield child
    end([child.living])
    child.popen.wait(timeout=5)


@pytest.fixture
def temp() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    yield folder
    remove_folder(folder)


def record(runner: ServiceProcess, *processes: ServiceProcess, folders: tuple[str, ...] = ()) -> StackRecord:
    return StackRecord("run", runner, detached=False, processes=processes, folders=folders, addresses={"api": "h:1"})


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    written = record(own_process(), DEAD, folders=("/a", "/b"))
    written.write(tmp_path)
    assert read_record(tmp_path) == written
    forget(tmp_path)
    forget(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_record_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    own = ProcessId.own()
    mark = {"service": "runner", "pid": own.pid, "created_s": own.created_s, "stop": "SIGTERM"}
    about = {"run_id": "run", "detached": False, "folders": [], "addresses": {"api": "h:1"}}
    text = json.dumps({"provider": "local", **about, "runner": mark, "processes": [mark]})
    (tmp_path / FILE_NAME).write_text(text, encoding="utf-8")
    read = read_record(tmp_path)
    assert read == record(*[ServiceProcess("runner", ProcessId(own.pid, own.created_s))] * 2)
    assert not read.abandoned


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"run_id": 1, "runner": {"pid": 1}}'])
def test_a_record_that_is_none_is_an_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(StackError, match=r"stack.json: not a stack's record"):
        read_record(tmp_path)


def test_only_the_stacks_of_dead_runners_are_abandoned(tmp_path: Path, child: Child) -> None:
    for name, runner in (("a-dead", DEAD), ("b-alive", own_process()), ("c-dead", DEAD)):
        (tmp_path / name).mkdir()
        record(runner, child.mark).write(tmp_path / name)
    (tmp_path / "d-finished").mkdir()
    assert [folder.name for folder, _ in abandoned_stacks(tmp_path)] == ["a-dead", "c-dead"]
    assert abandoned_stacks(tmp_path / "nowhere") == []


def test_taking_down_ends_the_processes_and_removes_folders_and_record(
    tmp_path: Path, child: Child, temp: Path
) -> None:
    stranger = ServiceProcess("api", stranger_to(ProcessId.own()))
    left = record(DEAD, child.mark, stranger, folders=(str(temp),))
    left.write(tmp_path)
    assert [living.mark for living in left.living] == [child.mark]
    take_down(tmp_path, left)
    assert not runs(child.living)
    assert not temp.exists()
    assert read_record(tmp_path) is None
