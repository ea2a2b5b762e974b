"""Running a command under the meter: what it used, how it failed, that it has a limit."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks.processes import ContestantFailed, run_measured

pytestmark = pytest.mark.skipif(not hasattr(os, "wait4"), reason="os.wait4 does not exist on this platform")
LIMIT_S = 30.0
MB = 1_000_000


def python(program: str) -> list[str]:
    return [sys.executable, "-S", "-c", program]


def test_memory_is_the_command_s_own_not_this_process_s() -> None:
    ballast = bytearray(200 * MB)
    small = run_measured(python("pass"), limit_s=LIMIT_S)
    big = run_measured(python(f"bytearray(b'x') * {100 * MB}"), limit_s=LIMIT_S)
    assert small.peak_rss_bytes < 50 * MB < 100 * MB < big.peak_rss_bytes < len(ballast)


def test_processor_time_includes_that_of_the_command_s_children() -> None:
    busy = "import time\\nwhile time.process_time() < 0.2: pass"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', '{busy}'], check=True)"
    assert run_measured(python(program), limit_s=LIMIT_S).cpu_s >= 0.2


def test_a_failed_command_is_told_with_what_it_said() -> None:
    with pytest.raises(ContestantFailed, match=r"(?s)failed; it said:.*no such luck"):
        run_measured(python("import sys; print('no such luck'); sys.exit(3)"), limit_s=LIMIT_S)


def test_a_command_killed_by_a_signal_failed() -> None:
    with pytest.raises(ContestantFailed, match="failed"):
        run_measured(python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), limit_s=LIMIT_S)


def test_a_command_that_is_not_there_could_not_be_started() -> None:
    with pytest.raises(ContestantFailed, match="could not be started"):
        run_measured(["/no/such/program"], limit_s=LIMIT_S)


def test_a_command_that_does_not_end_is_interrupted_so_that_it_can_tidy_up(tmp_path: Path) -> None:
    left = tmp_path / "left"
    program = (
        "import signal\n"
        f"try:\n open({str(left)!r}, 'w').close(); signal.pause()\n"
        f"except KeyboardInterrupt:\n import os; os.remove({str(left)!r}); print('tidied')"
    )
    with pytest.raises(ContestantFailed, match=r"(?s)not over after 1 s; it said:.*tidied"):
        run_measured(python(program), limit_s=1)
    assert not left.exists()


def test_a_command_that_does_not_end_is_ended() -> None:
    with pytest.raises(ContestantFailed, match=r"not over after 0.1 s"):
        run_measured(python("import signal; signal.pause()"), limit_s=0.1)
