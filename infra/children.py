"""All that one local stack has started, told to the reaper and written to `stack.json` before anything waits for it."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from harness.errors import HeavyweatherError, StackError
from infra import leftovers
from infra.processes import STACK_VARIABLE, Child, Mark, Program, end, own_mark, start
from infra.ready import wait_until
from infra.reaper import FOLDER_PREFIX, Reaper, remove_folder
from infra.stack import Endpoint

# Each service is up within 3 s on two slow cores; one that takes this long will never come.
_HEALTHY_S = 30.0
_COLLECT_S = 1.0


class Children:
    """The processes and the temporary folder of one run; its methods may be called from any thread."""

    def __init__(
        self, run_id: str, run_folder: Path, base: Path, *, addresses: Mapping[str, Endpoint], reaped: bool
    ) -> None:
        self._run_id = run_id
        self._run_folder = run_folder
        self._addresses = {name: str(endpoint) for name, endpoint in addresses.items()}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._started: dict[str, Child] = {}
        self._reaper = Reaper(run_folder) if reaped else None
        self.folder = base / f"{FOLDER_PREFIX}{secrets.token_hex(6)}"
        if self._reaper:
            self._reaper.remove(self.folder)
        self._write_record()
        self.folder.mkdir()
        # Servers that run as another account must be able to reach their own folders within.
        self.folder.chmod(0o711)

    @property
    def marked(self) -> dict[str, str]:
        """The variable in the environment of all that is started by which the reaper knows it for ours."""
        return {STACK_VARIABLE: str(self.folder)}

    def make_folder(self, service: str) -> Path:
        """Return a new folder for a service to keep what need not outlive the run."""
        folder = self.folder / service
        folder.mkdir()
        return folder

    def start(self, program: Program) -> None:
        """Start a program. Raises StackError, also when everything is about to end."""
        with self._lock:
            if self._ending.is_set():
                raise StackError(f"{program.service}: not started, the stack is going down")
            environment = {**program.environment, **self.marked}
            child = start(dataclasses.replace(program, environment=environment), self._run_folder)
            self._started[program.service] = child
            if self._reaper:
                self._reaper.watch(child.mark)
            self._write_record()

    def wait_healthy(self, service: str, check: Callable[[], str | None]) -> None:
        """Wait until `check` finds a started service healthy.

        Raises StackError with the end of its log as soon as it has exited, and NotReady after a limit.
        """

        def look() -> str | None:
            if self._ending.is_set():
                raise StackError(f"{service}: not waited for, the stack is going down")
            if trouble := self.trouble(service):
                raise StackError(trouble)
            return check()

        wait_until(service, look, limit_s=_HEALTHY_S)
        # The check may have been answered by a stranger at the port that ours could not have.
        if trouble := self.trouble(service):
            raise StackError(trouble)

    def trouble(self, service: str) -> str | None:
        """Return None while a service runs, otherwise how it ended; one never started has no trouble."""
        child = self._started.get(service)
        return child.trouble() if child else None

    def marks(self) -> dict[str, Mark]:
        """Return service to mark of what was started."""
        return {service: child.mark for service, child in self._started.items()}

    def end(self, service: str) -> None:
        """End one service and forget it; harmless when it is not there. Raises StackError."""
        child = self._started.get(service)
        if child is None:
            return
        end([child.living])
        # Collected, so that it does not stay behind as a zombie of ours.
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.popen.wait(timeout=_COLLECT_S)
        del self._started[service]

    def refuse_more(self) -> None:
        """Let nothing start any more, and every wait for health give up."""
        self._ending.set()

    def end_all(self) -> None:
        """End everything, last started first, and leave only the logs. Raises StackError with all that failed."""
        self.refuse_more()
        failures: list[str] = []
        with self._lock:
            for service in reversed(list(self._started)):
                with _noting(failures):
                    self.end(service)
            with _noting(failures):
                remove_folder(self.folder)
        if self._reaper:
            with _noting(failures):
                self._reaper.close()
        if failures:
            raise StackError("; ".join(failures))
        leftovers.forget(self._run_folder)

    def _write_record(self) -> None:
        leftovers.StackRecord(
            run_id=self._run_id,
            runner=own_mark(),
            detached=self._reaper is None,
            processes=tuple(self.marks().values()),
            folders=(str(self.folder),),
            addresses=self._addresses,
        ).write(self._run_folder)


@contextlib.contextmanager
def _noting(failures: list[str]) -> Iterator[None]:
    """Note a failure and go on: one child that cannot be ended must not save the others."""
    try:
        yield
    except HeavyweatherError as error:
        failures.append(str(error))
