import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.errors import NotReady, StackError
from harness.root import ROOT
from harness.wait import wait_until
from infra.local import children as children_module
from infra.local.children import Children
from infra.local.leftovers import read_record
from infra.processes import Program, find, minimal_environment, runs
from infra.stack import Endpoint

WAIT = "import signal; signal.pause()"


def program(folder: Path, service: str = "redis", code: str = WAIT) -> Program:
    return Program(service, (sys.executable, "-c", code), folder, minimal_environment())


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    base = Path(tempfile.gettempdir())
    children = Children("run", tmp_path, base, addresses={"api": Endpoint("127.0.0.1", 1)}, reaped=True)
    children.bring_up(lambda: None)
    yield children
    children.end_all()


def test_each_start_is_on_disk_before_anything_waits_for_it(children: Children, tmp_path: Path) -> None:
    for service in ("redis", "auth"):
        children.start(program(tmp_path, service))
        record = read_record(tmp_path)
        assert record is not None
        assert record.processes[-1] == children.marks()[service]
    assert record is not None
    assert record.folders == (str(children.folder),)
    assert record.addresses == {"api": "127.0.0.1:1"}


def test_ending_all_leaves_only_logs(children: Children, tmp_path: Path) -> None:
    (children.make_folder("pg") / "file").touch()
    children.start(program(tmp_path))
    mark = children.marks()["redis"]
    children.end_all()
    assert find(mark) is None
    assert not children.folder.exists()
    assert {file.name for file in tmp_path.iterdir()} == {"redis.log", "reaper.log"}
    with pytest.raises(StackError, match=r"redis not started .*: the stack is going down"):
        children.start(program(tmp_path))


def test_one_that_exits_early_fails_the_wait_at_once_with_its_log(children: Children, tmp_path: Path) -> None:
    children.start(program(tmp_path, code="raise SystemExit('no such port')"))
    with pytest.raises(StackError, match=r"redis exited with code 1; the end of .*redis\.log:\n  no such port"):
        children.wait_healthy("redis", lambda: "not yet")


def test_a_stranger_that_answers_in_its_place_is_not_taken_for_it(children: Children, tmp_path: Path) -> None:
    children.start(program(tmp_path, code="raise SystemExit('port in use')"))

    def answered_by_another() -> None:
        children._started["redis"].popen.wait(timeout=10)

    with pytest.raises(StackError, match="port in use"):
        children.wait_healthy("redis", answered_by_another)


def test_one_that_never_gets_healthy_is_given_up_on(
    children: Children, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children_module, "_HEALTHY_S", 0.2)
    children.start(program(tmp_path))
    with pytest.raises(NotReady, match=r"redis not ready after 0\.. s .last seen: still loading"):
        children.wait_healthy("redis", lambda: "still loading")


def test_a_wait_gives_up_when_the_stack_is_going_down(children: Children, tmp_path: Path) -> None:
    children.start(program(tmp_path))
    waiting, seen = threading.Event(), list[str]()

    def wait() -> None:
        try:
            children.wait_healthy("redis", lambda: waiting.set() or "not yet")  # type: ignore[func-returns-value]
        except StackError as error:
            seen.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    assert waiting.wait(timeout=10)
    children.refuse_more()
    thread.join(timeout=10)
    assert seen == ["redis not started or waited for any more: the stack is going down"]


def test_what_goes_wrong_in_bringing_up_is_raised_where_it_was_asked_for(tmp_path: Path) -> None:
    children = Children("run", tmp_path, tmp_path, addresses={}, reaped=False)

    def fail() -> None:
        raise StackError("no such luck")

    with pytest.raises(StackError, match="no such luck"):
        children.bring_up(fail)
    children.end_all()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_made_once_the_end_has_begun(tmp_path: Path) -> None:
    children = Children("run", tmp_path, tmp_path, addresses={}, reaped=False)
    children.end_all()
    with pytest.raises(StackError, match="going down"):
        children.bring_up(lambda: None)
    assert list(tmp_path.iterdir()) == []


def test_what_was_killed_is_started_again_as_it_was_and_known_before_it_begins(
    children: Children, tmp_path: Path
) -> None:
    for service in ("redis", "auth"):
        children.start(program(tmp_path, service))
    old = children.mark("redis")
    os.kill(old.process.pid, signal.SIGKILL)
    wait_until("its end", lambda: None if children.trouble("redis") else "runs", limit_s=10)
    assert children.mark("redis") == old, "it is what was started last"
    assert not psutil.pid_exists(old.process.pid), "not even as a zombie"
    children.start_again("redis")
    assert find(children.mark("redis"))
    record = read_record(tmp_path)
    assert record is not None
    assert record.processes == tuple(children.marks().values())
    assert children.trouble("redis") is None


def test_what_runs_is_not_started_twice(children: Children, tmp_path: Path) -> None:
    children.start(program(tmp_path))
    mark = children.mark("redis")
    children.start_again("redis")
    assert children.mark("redis") == mark


def test_a_dying_one_is_waited_for(children: Children, tmp_path: Path) -> None:
    """Its first thread is gone and the others not yet, so that it neither runs nor can be collected."""
    code = "import threading\nfor _ in range(200): threading.Thread(target=threading.Event().wait).start()"
    for _ in range(10):
        children.start(program(tmp_path, code=code))
        living = find(children.mark("redis"))
        assert living is not None
        wait_until("its threads", lambda p=living.process: None if p.num_threads() > 150 else "few", limit_s=10)  # type: ignore[misc] # bound now
        living.process.kill()
        wait_until("its end", lambda one=living: "runs" if runs(one) else None, limit_s=10, poll_s=0.0)  # type: ignore[misc] # bound now
        children.start_again("redis")
        assert children.mark("redis") != living.mark
        children.end("redis")


def test_nobody_starts_a_stranger_again_or_anything_once_the_end_has_begun(children: Children, tmp_path: Path) -> None:
    with pytest.raises(StackError, match="api was not started here"):
        children.start_again("api")
    with pytest.raises(StackError, match="api was not started here"):
        children.mark("api")
    children.start(program(tmp_path))
    children.end_all()
    with pytest.raises(StackError, match=r"redis .*(the stack is going down|not started here)"):
        children.start_again("redis")


def test_the_reaper_ends_what_was_started_again(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from infra.local.children import Children\n"
        "from infra.processes import Program, minimal_environment\n"
        "folder = Path(sys.argv[1])\n"
        "children = Children('run', folder, folder, addresses={}, reaped=True)\n"
        "children.bring_up(lambda: None)\n"
        "children.start(Program('redis', ('sleep', '60'), folder, minimal_environment()))\n"
        "os.kill(children.mark('redis').process.pid, signal.SIGKILL)\n"
        "children._started['redis'].popen.wait()\n"
        "children.start_again('redis')\n"
        "print('up', flush=True)\n"
        "signal.pause()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == b"up\n"
        record = read_record(tmp_path)
        runner.kill()
    assert record is not None
    (mark,) = record.processes
    wait_until("the reaper", lambda: "runs" if find(mark) else None, limit_s=10)
