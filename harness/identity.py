"""One process told from every other, by its id and the time it was created: ids alone are used again.

What is written down may be acted on days later, by another process, and must
never reach a stranger.
"""

from __future__ import annotations

import psutil

# Creation times are told by the wall clock, which is corrected now and then, by seconds after a sleep.
# For a stranger to pass, all ids must have been used up within as long of our process's birth.
_CREATED_TOLERANCE_S = 10.0


def find_process(pid: int, created_s: float) -> psutil.Process | None:
    """Return the process with this id that was created at `created_s` (seconds since the Unix epoch) if it still runs.

    One that only waits to be collected by its parent is gone. Holding what is returned makes the identity
    independent of the wall clock.
    """
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created_s) <= _CREATED_TOLERANCE_S
    except (psutil.Error, ValueError, OverflowError):
        return None
    return process if same and runs(process) else None


def runs(process: psutil.Process) -> bool:
    """Whether a process found before still runs."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def family(root: psutil.Process) -> list[psutil.Process]:
    """Return a process and all that descend from it and still run, itself first."""
    try:
        below = root.children(recursive=True)
    except psutil.Error:
        below = []
    return [process for process in (root, *below) if runs(process)]
