"""What a local stack is made of, on disk beside its logs, so that it can be found and taken down by anyone later.

The record is rewritten at every start, so that it is never behind by more than
one process, and removed once nothing is left to take down.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import StackError
from infra.local.reaper import reap
from infra.processes import Living, ServiceProcess, find

FILE_NAME = "stack.json"


@dataclass(frozen=True, slots=True)
class StackRecord:
    """One stack: who runs it, its processes in the order they started, its temporary folders, where it listens.

    `detached` stacks outlive their runner on purpose. `addresses` is service or hop to HOST:PORT, without secrets.
    """

    run_id: str
    runner: ServiceProcess
    detached: bool
    processes: tuple[ServiceProcess, ...]
    folders: tuple[str, ...]
    addresses: Mapping[str, str]

    def write(self, run_folder: Path) -> None:
        """Write `stack.json` into the run folder, whole or not at all."""
        draft = run_folder / f"{FILE_NAME}.part"
        draft.write_text(json.dumps({"provider": "local", **self._as_json()}, indent=2) + "\n", encoding="utf-8")
        draft.replace(run_folder / FILE_NAME)

    def _as_json(self) -> dict[str, object]:
        processes = [mark.as_json() for mark in self.processes]
        return {**asdict(self), "runner": self.runner.as_json(), "processes": processes}

    @property
    def abandoned(self) -> bool:
        """Whether its runner is gone: nobody else will take it down."""
        return find(self.runner) is None

    @property
    def living(self) -> tuple[Living, ...]:
        """Those of its processes that still run."""
        return tuple(living for mark in self.processes if (living := find(mark)))


def read_record(run_folder: Path) -> StackRecord | None:
    """Return the record in a run folder, None when there is none. Raises StackError when it is unreadable."""
    path = run_folder / FILE_NAME
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return StackRecord(
            run_id=raw["run_id"],
            runner=ServiceProcess.read(raw["runner"]),
            detached=raw["detached"],
            processes=tuple(ServiceProcess.read(mark) for mark in raw["processes"]),
            folders=tuple(raw["folders"]),
            addresses=raw["addresses"],
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StackError(f"{path}: not a stack's record ({error}); look at it, then remove it") from error


def forget(run_folder: Path) -> None:
    """Remove the record: nothing of the stack is left."""
    (run_folder / FILE_NAME).unlink(missing_ok=True)


def abandoned_stacks(runs: Path) -> list[tuple[Path, StackRecord]]:
    """Return (run folder, record) of every stack under `runs` whose runner is gone, oldest first. Raises StackError."""
    found = [(path.parent, read_record(path.parent)) for path in sorted(runs.glob(f"*/{FILE_NAME}"))]
    return [(folder, record) for folder, record in found if record and record.abandoned]


def take_down(run_folder: Path, record: StackRecord) -> None:
    """End what still runs of an abandoned stack, remove its folders and record. Raises StackError or NotReady."""
    reap(record.living, [Path(folder) for folder in record.folders])
    forget(run_folder)
