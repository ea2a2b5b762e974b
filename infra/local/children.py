"""All that one local stack has started, told to the reaper and written to `stack.json` before anything waits for it."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from harness.errors import HeavyweatherError, StackError
from harness.wait import wait_until
from infra.local import leftovers
from infra.local.reaper import FOLDER_PREFIX, Reaper, remove_folder
from infra.processes import Child, Program, ServiceProcess, end, own_process, runs, start
from infra.stack import Endpoint

# Each service is up within 3 s on two slow cores; one that takes this long will never come.
_HEALTHY_S = 30.0
_COLLECT_S = 1.0


class Children:
    """The processes and the temporary folder of one run; its methods may be called from any thread.

    Making one touches nothing; whatever does belongs inside `bring_up`.
    """

    def __init__(
        self, run_id: str, run_folder: Path, base: Path, *, addresses: Mapping[str, Endpoint], reaped: bool
    ) -> None:
        self._run_id = run_id
        self._run_folder = run_folder
        self._addresses = {name: str(endpoint) for name, endpoint in addresses.items()}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._started: dict[str, Child] = {}
        self._programs: dict[str, Program] = {}
        self._reaped = reaped
        self._reaper: Reaper | None = None
        self.folder = base / f"{FOLDER_PREFIX}{secrets.token_hex(6)}"

    def bring_up(self, work: Callable[[], None]) -> None:
        """Run `work`, which starts and waits, on a thread of its own; raise what it raises.

        A Ctrl-C that lands inside `Popen` would lose a child already born, and only the main
        thread is ever interrupted. When it is, the work is told to give up and waited for.
        """

        def prepared() -> None:
            self._prepare()
            work()

        _uninterrupted("bring-up", prepared, give_up=self.refuse_more)

    def _prepare(self) -> None:
        """Start the reaper, and make the temporary folder once the reaper and the record know of it."""
        with self._lock:
            self._check_not_ending("nothing")
            if self._reaped:
                self._reaper = Reaper(self._run_folder)
                self._reaper.remove(self.folder)
            self._write_record()
            self.folder.mkdir()
            # Servers that run as another account must be able to reach their own folders within.
            self.folder.chmod(0o711)

    def _check_not_ending(self, what: str) -> None:
        if self._ending.is_set():
            raise StackError(f"{what} started or waited for any more: the stack is going down")

    def make_folder(self, service: str) -> Path:
        """Return a new folder for a service to keep what need not outlive the run."""
        folder = self.folder / service
        folder.mkdir()
        return folder

    def start(self, program: Program) -> None:
        """Start a program. Raises StackError, also when everything is about to end."""
        with self._lock:
            self._check_not_ending(f"{program.service} not")
            self._start(program)

    def start_again(self, service: str) -> None:
        """Start a service's program once more if it has ended, however that came; wait for nothing. Raises StackError.

        Whoever asked may be interrupted; what was begun is not.
        """

        def again() -> None:
            with self._lock:
                self._check_not_ending(f"{service} not")
                child = self._started[service]
                if not runs(child.living):
                    # Its first thread is gone; until the others are, it can be neither collected nor replaced.
                    _collect(child)
                if child.trouble():
                    self._start(self._programs[service])

        if service not in self._programs:
            raise StackError(f"{service} was not started here, so it cannot be started again")
        _uninterrupted("start-again", again, give_up=lambda: None)

    def _start(self, program: Program) -> None:
        self._programs[program.service] = program
        start(program, self._run_folder, announce=self._remember)

    def _remember(self, child: Child) -> None:
        self._started[child.mark.service] = child
        if self._reaper:
            self._reaper.watch(child.mark)
        self._write_record()

    def wait_healthy(self, service: str, check: Callable[[], str | None]) -> None:
        """Wait until `check` finds a started service healthy.

        Raises StackError with the end of its log as soon as it has exited, and NotReady after a limit.
        """

        def look() -> str | None:
            self._check_not_ending(f"{service} not")
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

    def marks(self) -> dict[str, ServiceProcess]:
        """Return service to mark of what was started last, whether it still runs or not."""
        return {service: child.mark for service, child in self._started.items()}

    def mark(self, service: str) -> ServiceProcess:
        """Return the mark of what was started last for a service. Raises StackError when nothing was."""
        if service not in self._started:
            raise StackError(f"{service} was not started here")
        # One that has ended is collected by asking, and not left behind as a zombie of ours.
        self._started[service].trouble()
        return self._started[service].mark

    def end(self, service: str) -> None:
        """End one service and forget it; harmless when it is not there. Raises StackError."""
        child = self._started.get(service)
        if child is None:
            return
        end([child.living])
        _collect(child)
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
            runner=own_process(),
            detached=not self._reaped,
            processes=tuple(self.marks().values()),
            folders=(str(self.folder),),
            addresses=self._addresses,
        ).write(self._run_folder)


def _collect(child: Child) -> None:
    """Wait for a child that is ending, so that it does not stay behind as a zombie of ours."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.popen.wait(timeout=_COLLECT_S)


def _uninterrupted(name: str, work: Callable[[], None], *, give_up: Callable[[], None]) -> None:
    """Run `work` on a thread of its own, for only the main thread is ever interrupted; raise what it raises.

    When whoever waits for it is interrupted, the work is told to give up and waited for all the same.
    """
    failures: list[BaseException] = []
    begun, finished = threading.Event(), threading.Event()

    def guarded() -> None:
        begun.set()
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - raised again by the thread that asked
            failures.append(failure)
        finally:
            finished.set()

    try:
        threading.Thread(target=guarded, name=name).start()
        # Not `join`: interrupted once, it takes the thread for dead ever after (CPython up to 3.12).
        finished.wait()
    except BaseException:
        give_up()
        # One that has not begun will find itself refused when it does.
        if begun.is_set():
            finished.wait()
        raise
    if failures:
        raise failures[0]


@contextlib.contextmanager
def _noting(failures: list[str]) -> Iterator[None]:
    """Note a failure and go on: one child that cannot be ended must not save the others."""
    try:
        yield
    except HeavyweatherError as error:
        failures.append(str(error))
