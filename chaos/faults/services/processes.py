"""A service that is a process, or a tree of them, made a target: ended, stopped where it stands, looked at.

What is done to one is done to all of its tree: a PostgreSQL whose first
process alone is stopped goes on answering. Only its provider can start it
again, so that is the provider's to do.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence

import psutil

from chaos.observed import Observed, State
from chaos.undo import Step
from harness.errors import ChaosError, HealFailed, HeavyweatherError, InjectionFailed
from harness.identity import ProcessId, family, runs
from harness.records import ProcessRef
from harness.wait import comes_true

# After SIGKILL and SIGSTOP only the kernel is waited for; one in the middle of a disk's reply takes longest.
_KERNEL_S = 3.0
_POLL_S = 0.01
_STOPPED = frozenset({psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP})


class ProcessService:
    """One local service; satisfies `chaos.targets.Service`.

    `ref` returns the service as it is now, `stop` is the signal that asks it to stop, `start_again` has its provider
    start it unless it runs, and `health` asks it once, returning the error, or None. `runner` is the process that
    started the stack, and the only one that can start a service of it again.
    """

    def __init__(
        self,
        name: str,
        ref: Callable[[], ProcessRef],
        *,
        stop: str,
        start_again: Callable[[], None],
        health: Callable[[], str | None],
        runner: ProcessId,
    ) -> None:
        self.name = name
        self._ref = ref
        self._stop = stop
        self._start_again = start_again
        self._health = health
        self._runner = runner

    def kill(self) -> None:
        """Send SIGKILL to the whole tree, and see it go. Raises InjectionFailed."""
        everyone = family(self._root())
        _each(everyone, psutil.Process.kill)
        _await_end(everyone, f"{self.name}: still alive after SIGKILL")

    def terminate(self, grace_s: float) -> None:
        """Send the first process the signal that asks the service to stop; kill what is left after `grace_s`.

        Raises InjectionFailed.
        """
        root = self._root()
        everyone = family(root)
        _each([root], lambda process: process.send_signal(getattr(signal, self._stop)))
        if not comes_true(lambda: not any(map(runs, everyone)), limit_s=grace_s, poll_s=_POLL_S):
            # Looked for again: something may have been born meanwhile.
            everyone += [process for member in everyone for process in family(member)]
            _each(everyone, psutil.Process.kill)
            _await_end(everyone, f"{self.name}: still alive after SIGKILL")

    def pause(self) -> None:
        """Stop the whole tree, and what is born into it meanwhile. Raises InjectionFailed."""
        if not _reaches(self._root, psutil.Process.suspend, stopped=True):
            raise InjectionFailed(f"{self.name}: not all of its processes stopped within {_KERNEL_S:.0f} s")

    def start(self) -> None:
        """Have its provider start it; harmless when it runs. Raises InjectionFailed."""
        try:
            self._start_again()
        except HeavyweatherError as error:
            raise InjectionFailed(f"{self.name} was not started again: {error}") from error

    def observe(self) -> Observed:
        """See how its tree stands, and ask it whether it is well where all of it runs; bounded."""
        now = self._now()
        root = now.find()
        everyone = family(root) if root else []
        if not everyone:
            return Observed(State.GONE, detail=f"process {now.pid}")
        stopped = sum(map(_is_stopped, everyone))
        about, amount = f"process {now.pid}", now.created_s
        if stopped == len(everyone):
            return Observed(State.STOPPED, detail=f"{about}, {stopped} stopped", amount=amount)
        if stopped:
            return Observed(State.HUNG, detail=f"{about}, {stopped} of {len(everyone)} stopped", amount=amount)
        began_s = time.perf_counter()
        if error := self._health():
            return Observed(State.HUNG, time.perf_counter() - began_s, f"{about}, {error}", amount)
        return Observed(State.RUNNING, detail=about, amount=amount)

    def resume_step(self) -> Step:
        """Return what has the tree of the process that it is now go on."""
        return Step("process.resume", {"service": self.name, **self._now().args()})

    def start_step(self) -> Step:
        """Return what has its runner start it again."""
        return Step("service.start", {"service": self.name, **self._runner.args(prefix="runner_")})

    def _now(self) -> ProcessId:
        try:
            return self._ref().process
        except HeavyweatherError as error:
            raise ChaosError(f"{self.name}: {error}") from error

    def _root(self) -> psutil.Process:
        now = self._now()
        if (root := now.find()) is None:
            raise InjectionFailed(f"{self.name} does not run: process {now.pid} is gone")
        return root


def resume(root: psutil.Process) -> None:
    """Have a process and its whole tree go on, and see it. Raises HealFailed."""
    if not _reaches(lambda: root, psutil.Process.resume, stopped=False):
        raise HealFailed(f"process {root.pid}: not all of its tree went on within {_KERNEL_S:.0f} s")


def stopped_in(root: psutil.Process) -> int:
    """Return how many processes of a tree are stopped."""
    return sum(map(_is_stopped, family(root)))


def _reaches(root: Callable[[], psutil.Process], act: Callable[[psutil.Process], object], *, stopped: bool) -> bool:
    """Act on a tree until all of it is as it should be; return whether it came to that in time."""
    return comes_true(lambda: not _step(root(), act, stopped=stopped), limit_s=_KERNEL_S, poll_s=_POLL_S)


def _step(root: psutil.Process, act: Callable[[psutil.Process], object], *, stopped: bool) -> bool:
    """Act on those of a tree that are not as they should be; return whether there were any, the first process first.

    Once the first is stopped it has no more children, and so on down: repeated, it comes to an end.
    """
    others = [process for process in family(root) if _is_stopped(process) is not stopped]
    _each(others, act)
    return bool(others)


def _is_stopped(process: psutil.Process) -> bool:
    try:
        return process.status() in _STOPPED
    except psutil.Error:
        return False


def _each(processes: Sequence[psutil.Process], act: Callable[[psutil.Process], object]) -> None:
    """Act on each; one that has ended meanwhile needs nothing. Raises ChaosError where we may not."""
    for process in processes:
        try:
            act(process)
        except psutil.NoSuchProcess:
            pass
        except psutil.Error as error:
            raise ChaosError(f"process {process.pid} cannot be signalled: {error}") from error


def _await_end(processes: Sequence[psutil.Process], trouble: str) -> None:
    if not comes_true(lambda: not any(map(runs, processes)), limit_s=_KERNEL_S, poll_s=_POLL_S):
        raise InjectionFailed(f"{trouble}: {', '.join(str(p.pid) for p in processes if runs(p))}")


class ResumeProcess:
    """`process.resume`: `service`, and `ProcessId.args` of the first process of its tree."""

    def carry_out(self, args: Mapping[str, object]) -> None:
        """Have the tree go on. Raises ChaosError."""
        if process := ProcessId.read(args).find():
            resume(process)

    def remaining(self, args: Mapping[str, object]) -> str | None:
        """Return how many are still stopped, if any."""
        process = ProcessId.read(args).find()
        stopped = stopped_in(process) if process else 0
        return f"{stopped} processes of {args['service']} are still stopped" if stopped else None


class StartByRunner:
    """`service.start` outside the runner: `service`, and the runner's `ProcessId.args` after `runner_`."""

    def carry_out(self, args: Mapping[str, object]) -> None:
        """Start nothing: without its runner there is no stack that it could be started in."""

    def remaining(self, args: Mapping[str, object]) -> str | None:
        """Return None once the runner is gone, otherwise that it is the runner's to do."""
        if not ProcessId.read(args, prefix="runner_").lives:
            return None
        return f"{args['service']} can be started only by its run, which goes on as process {args['runner_pid']}"


class StartAgain:
    """`service.start` in the runner itself: `start` starts a service by name unless it runs, `health` asks it once.

    `start` returns when the service answers, or raises one of our errors after a limit.
    """

    def __init__(self, start: Callable[[str], None], health: Callable[[str], str | None]) -> None:
        self._start = start
        self._health = health

    def carry_out(self, args: Mapping[str, object]) -> None:
        """Start it and wait until it answers. Raises HealFailed."""
        try:
            self._start(str(args["service"]))
        except HeavyweatherError as error:
            raise HealFailed(f"{args['service']} was not started again: {error}") from error

    def remaining(self, args: Mapping[str, object]) -> str | None:
        """Return what is wrong with its answer."""
        return self._health(str(args["service"]))
