"""The engine of this repository: open model, histograms on.

Not written yet: `drive` is to do the task with `harness.load` (closed-model users where the rate is infinite), and
nothing else need change. An error must end it with a status other than 0.
"""

from __future__ import annotations

import sys

from benchmarks.contestants.task import Task, read_task


def drive(task: Task) -> None:
    """Do the task with the engine."""
    del task
    raise NotImplementedError("the engine's contestant is not written yet")


def main() -> int:
    """Do the task and return 0."""
    drive(read_task())
    return 0


if __name__ == "__main__":
    sys.exit(main())
