import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from harness.errors import StackError
from harness.wait import wait_until
from infra.processes import (
    Child,
    Program,
    ServiceProcess,
    end,
    find,
    minimal_environment,
    own_process,
    runs,
    start,
    tail,
)
from tests.processes import stranger_to

STUBBORN = """
import signal
for name in ("SIGTERM", "SIGINT"):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
"""
FAMILY = """
import subprocess, sys
child = "import signal; signal.signal(15, signal.SIG_IGN); print('born', flush=True); signal.pause()"
subprocess.Popen([sys.executable, "-c", child])
"""
WAIT = "print('ready', flush=True)\nsignal.pause()"


@contextmanager
def running(folder: Path, code: str, *, stop: str = "SIGTERM") -> Iterator[Child]:
    command = (sys.executable, "-c", f"import signal\n{code}\n{WAIT}")
    child = start(Program("dummy", command, folder, minimal_environment(), stop), folder)
    try:
        wait_until(
            "dummy", lambda: None if "ready" in child.log.read_text() else child.trouble() or "quiet", limit_s=10
        )
        yield child
    finally:
        end([child.living], limit_s=0.1)
        child.popen.wait(timeout=5)


def test_a_child_has_its_own_session_its_log_and_none_of_our_descriptors(tmp_path: Path) -> None:
    inheritable, other = os.pipe()
    os.set_inheritable(inheritable, True)
    try:
        code = "import os\nprint(sorted(os.listdir('/dev/fd')), sorted(os.environ), flush=True)"
        with running(tmp_path, code) as child:
            assert os.getsid(child.mark.process.pid) == child.mark.process.pid
            text = child.log.read_text()
            assert f"'{inheritable}'" not in text.split("]")[0]
            assert "HOME" not in text
    finally:
        os.close(inheritable)
        os.close(other)


def test_a_polite_end_lets_it_say_goodbye(tmp_path: Path) -> None:
    code = "def bye(*_):\n    print('bye', flush=True)\n    raise SystemExit\nsignal.signal(signal.SIGINT, bye)"
    with running(tmp_path, code, stop="SIGINT") as child:
        end([child.living])
        assert "bye" in child.log.read_text()
        assert not runs(child.living)
        assert child.popen.wait(timeout=1) == 0


def test_what_ignores_the_request_is_killed_within_the_limit(tmp_path: Path) -> None:
    with running(tmp_path, STUBBORN) as child:
        began_s = time.perf_counter()
        end([child.living], limit_s=0.3)
        assert 0.3 <= time.perf_counter() - began_s < 3
        assert child.popen.wait(timeout=1) == -signal.SIGKILL


def test_descendants_end_with_it(tmp_path: Path) -> None:
    with running(tmp_path, FAMILY) as child:
        wait_until("grandchild", lambda: None if "born" in child.log.read_text() else "unborn", limit_s=10)
        [grandchild] = psutil.Process(child.mark.process.pid).children()
        end([child.living], limit_s=0.3)
        assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE


def test_a_paused_process_ends_politely(tmp_path: Path) -> None:
    with running(tmp_path, "") as child:
        os.kill(child.mark.process.pid, signal.SIGSTOP)
        end([child.living])
        assert child.popen.wait(timeout=1) == -signal.SIGTERM


def test_another_process_of_the_same_id_is_not_found() -> None:
    mark = own_process()
    assert find(mark) is not None
    assert find(ServiceProcess("runner", stranger_to(mark.process))) is None
    assert find(ServiceProcess("runner", dataclasses.replace(mark.process, pid=2**22 + 1))) is None


def test_one_that_has_ended_is_not_found_even_before_it_is_collected(tmp_path: Path) -> None:
    with running(tmp_path, "") as child:
        os.kill(child.mark.process.pid, signal.SIGKILL)
        wait_until("its end", lambda: "found" if find(child.mark) else None, limit_s=5)
        assert psutil.Process(child.mark.process.pid).status() == psutil.STATUS_ZOMBIE


def test_trouble_tells_how_it_ended_and_what_it_said_last(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "print('first'); print('no such port'); raise SystemExit(3)")
    child = start(Program("dummy", command, tmp_path, minimal_environment()), tmp_path)
    wait_until("its end", lambda: None if child.trouble() else "runs", limit_s=10)
    assert "dummy exited with code 3" in str(child.trouble())
    assert "  no such port" in str(child.trouble())


def test_a_program_that_does_not_exist_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="dummy: cannot start /nowhere"):
        start(Program("dummy", ("/nowhere",), tmp_path, {}), tmp_path)


def test_tail_is_short_however_long_the_log(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    assert tail(log) == "  (not readable: No such file or directory)"
    log.write_text("")
    assert tail(log) == "  (empty)"
    log.write_bytes(b"\xff" + b"line\n" * 100_000 + b"last\n")
    assert tail(log, lines=2) == "  line\n  last"


def test_marks_are_plain_values() -> None:
    assert ServiceProcess.read(json.loads(json.dumps(own_process().as_json()))) == own_process()


def test_a_program_begins_only_after_somebody_was_told_of_it(tmp_path: Path) -> None:
    began = tmp_path / "began"
    seen: list[bool] = []

    def announce(child: Child) -> None:
        assert runs(child.living)
        seen.append(began.exists())

    program = Program("dummy", ("/usr/bin/env", "touch", str(began)), tmp_path, minimal_environment())
    child = start(program, tmp_path, announce=announce)
    assert child.popen.wait(timeout=10) == 0
    assert seen == [False]
    assert began.exists()


def test_a_program_that_nobody_could_be_told_of_never_begins(tmp_path: Path) -> None:
    born: list[Child] = []

    def announce(child: Child) -> None:
        born.append(child)
        raise StackError("the reaper is gone")

    began = tmp_path / "began"
    program = Program("dummy", ("/usr/bin/env", "touch", str(began)), tmp_path, minimal_environment())
    with pytest.raises(StackError, match="the reaper is gone"):
        start(program, tmp_path, announce=announce)
    assert born[0].popen.wait(timeout=10) != 0
    assert not began.exists()
