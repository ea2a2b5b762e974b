"""A service that is a container, made a target: ended, paused, squeezed, started again, looked at.

A container is changed only where it carries the label of this
very run: an id in an old ledger, or a mistaken one, reaches no stranger's.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chaos.observed import Observed, State
from chaos.targets import Allowance
from chaos.undo import Step
from harness.errors import InjectionFailed
from harness.records import ContainerRef

if TYPE_CHECKING:
    from docker.models.containers import Container
from chaos.faults.services.processes import ProcessService
from chaos.run_container import Place
from harness.errors import HealFailed, HeavyweatherError
from harness.identity import ProcessId
from harness.records import ProcessRef

# The kernel's own, where a container has none.
_PERIOD = 100_000
_QUOTA_MIN = 1000
# An engine cannot lift a limit of memory again: for its update 0 means "as it was", and less is an error.
# So what had no limit gets one that no machine can reach, and swap as much again; both count as none when read back.
_NO_LIMIT = 1 << 62
_NO_LIMIT_WITH_SWAP = _NO_LIMIT + (_NO_LIMIT >> 1)


class ContainerService:
    """One service in a container of run `run`; satisfies `chaos.targets.Service` and `Squeezable`.

    `health` asks the service once, returning the error, or None.
    """

    def __init__(self, ref: ContainerRef, *, run: str, health: Callable[[], str | None]) -> None:
        self.name = ref.service
        self._place = Place(ref.service, ref.engine, ref.container_id, run)
        self._health = health

    def kill(self) -> None:
        """Have the engine kill all of it."""
        with self._there() as container:
            container.kill()

    def terminate(self, grace_s: float) -> None:
        """Have the engine send the image's own stop signal, and kill it after `grace_s`, up to whole seconds."""
        with self._there() as container:
            container.stop(timeout=math.ceil(grace_s))

    def pause(self) -> None:
        """Freeze all of it."""
        with self._there() as container:
            container.pause()

    def start(self) -> None:
        """Start it; harmless when it runs."""
        with self._there() as container:
            container.start()

    def observe(self) -> Observed:
        """See how the engine finds it, and ask it whether it is well where it runs; bounded."""
        with self._place.opened() as container:
            state: Mapping[str, Any] = container.attrs["State"] if container else {}
        if not _lives(state):
            end = " out of memory" if state.get("OOMKilled") else ""
            return Observed(State.GONE, detail=f"exited with code {state['ExitCode']}{end}" if state else "removed")
        about, amount = f"process {state['Pid']}", datetime.fromisoformat(state["StartedAt"]).timestamp()
        if state["Paused"]:
            return Observed(State.STOPPED, detail=about, amount=amount)
        began_s = time.perf_counter()
        if remains := self._health():
            return Observed(State.HUNG, time.perf_counter() - began_s, f"{about}, {remains}", amount)
        return Observed(State.RUNNING, detail=about, amount=amount)

    def machine(self) -> Allowance:
        """Return the cores and the memory of the engine's machine."""
        with self._there() as container:
            told = container.client.info() if container.client else {}
            memory = int(told["MemTotal"])
            return Allowance(float(told["NCPU"]), memory, memory)

    def allowance(self) -> Allowance:
        """Read what it may use back from the engine."""
        with self._there() as container:
            return allowance_of(container)

    def squeeze(self, *, cpu_cores: float | None, memory_bytes: int | None) -> None:
        """Let it use no more than so much. Raises InjectionFailed, when the engine refuses or reads back otherwise."""
        asked = Share(cpu_cores, memory_bytes, memory_bytes)
        with self._there() as container:
            asked.give(container)
            if remains := asked.remaining(container):
                raise InjectionFailed(f"{self.name}: {remains}")

    def resume_step(self) -> Step:
        """Return the step that resumes it after a pause."""
        return Step("container.unpause", self._place.args())

    def start_step(self) -> Step:
        """Return what has it run again after an end."""
        return Step("container.start", self._place.args())

    def restore_step(self, former: Allowance, *, cpu: bool, memory: bool) -> Step:
        """Return what gives it back what it was allowed; what was not squeezed is None."""
        parts = {
            "cpu_cores": former.cpu_cores if cpu else None,
            "memory_bytes": former.memory_bytes if memory else None,
            "memory_and_swap_bytes": former.memory_and_swap_bytes if memory else None,
        }
        return Step("container.restore", {**self._place.args(), **parts})

    @contextlib.contextmanager
    def _there(self) -> Iterator[Container]:
        with self._place.opened() as container:
            if container is None:
                raise InjectionFailed(f"{self.name}: its container was removed")
            yield container


@dataclass(frozen=True, slots=True)
class Share:
    """What a container is to be allowed, each part 0 for as much as there is, or None to be left alone."""

    cpu_cores: float | None
    memory_bytes: int | None
    memory_and_swap_bytes: int | None

    def give(self, container: Container) -> None:
        """Have the engine set it, and read back what it has set.

        Raises docker's errors: an engine may refuse a limit of memory below what is in use.
        """
        changes: dict[str, Any] = {}
        if self.cpu_cores is not None:
            period = _period(container)
            changes["cpu_period"] = period
            changes["cpu_quota"] = max(_QUOTA_MIN, round(self.cpu_cores * period)) if self.cpu_cores else -1
        if self.memory_bytes is not None:
            changes["mem_limit"] = self.memory_bytes or _NO_LIMIT
            changes["memswap_limit"] = self.memory_and_swap_bytes or _NO_LIMIT_WITH_SWAP
        container.update(**changes)
        container.reload()

    def remaining(self, container: Container) -> str | None:
        """Return None when that is what the engine last said of it, otherwise what it said."""
        now = allowance_of(container)
        right = [
            self.cpu_cores is None or abs(now.cpu_cores - self.cpu_cores) <= 1 / _period(container),
            self.memory_bytes in {None, now.memory_bytes},
            # A kernel that does not count swap cannot limit it.
            self.memory_bytes is None or now.memory_and_swap_bytes in {self.memory_and_swap_bytes, 0},
        ]
        return None if all(right) else f"to be allowed {self}, but it is {now}"


def allowance_of(container: Container) -> Allowance:
    """Return what a container may use, by what its engine last said of it."""
    limits = container.attrs["HostConfig"]
    cores = limits["NanoCpus"] / 1e9 or max(0, limits["CpuQuota"]) / _period(container)
    memory, with_swap = (limits[key] if 0 < limits[key] < _NO_LIMIT else 0 for key in ("Memory", "MemorySwap"))
    return Allowance(cores, memory, with_swap)


def _period(container: Container) -> int:
    return int(container.attrs["HostConfig"]["CpuPeriod"] or _PERIOD)


def _lives(state: Mapping[str, Any]) -> bool:
    # One between two lives is said to run.
    return bool(state.get("Running") and state.get("Pid") and not state.get("Restarting"))


class Unpause:
    """`container.unpause`: `service`, `engine`, `container` (its id), `run`."""

    def carry_out(self, args: Mapping[str, object]) -> None:
        """Have it go on. Raises ChaosError, Refused when it is not of the run."""
        with Place.of(args).opened() as container:
            if container and container.attrs["State"]["Paused"]:
                container.unpause()

    def remaining(self, args: Mapping[str, object]) -> str | None:
        """Return what is wrong while it is paused. Raises as `carry_out`."""
        with Place.of(args).opened() as container:
            paused = bool(container and container.attrs["State"]["Paused"])
        return f"the container of {args['service']} is still paused" if paused else None


class StartContainer:
    """`container.start`: `service`, `engine`, `container` (its id), `run`.

    `wait`, where the stack is at hand, waits until a service by that name answers, or raises one of our errors.
    """

    def __init__(self, wait: Callable[[str], None] | None = None) -> None:
        self._wait = wait

    def carry_out(self, args: Mapping[str, object]) -> None:
        """Start it; harmless when it runs. Raises ChaosError, Refused when it is not of the run."""
        with Place.of(args).opened() as container:
            if container is None:
                return
            container.start()
        if self._wait:
            try:
                self._wait(str(args["service"]))
            except HeavyweatherError as error:
                raise HealFailed(f"{args['service']} was started again, yet {error}") from error

    def remaining(self, args: Mapping[str, object]) -> str | None:
        """Return what is wrong while it does not run. Raises as `carry_out`."""
        with Place.of(args).opened() as container:
            state = container.attrs["State"] if container else {"Running": True, "Status": "removed"}
        return None if state["Running"] else f"the container of {args['service']} is {state['Status']}"


class Restore:
    """`container.restore`: as the others, and `cpu_cores`, `memory_bytes`, `memory_and_swap_bytes`.

    Each is what the container was allowed, 0 for as much as there is; what was not squeezed is None.
    """

    def carry_out(self, args: Mapping[str, object]) -> None:
        """Give it back what it was allowed. Raises ChaosError, Refused when it is not of the run."""
        share = _share(args)
        with Place.of(args).opened() as container:
            if container and share.remaining(container):
                share.give(container)

    def remaining(self, args: Mapping[str, object]) -> str | None:
        """Return what is wrong while it is allowed something else. Raises as `carry_out`."""
        with Place.of(args).opened() as container:
            return _share(args).remaining(container) if container else None


def _share(args: Mapping[str, object]) -> Share:
    cores, memory, with_swap = (args[key] for key in ("cpu_cores", "memory_bytes", "memory_and_swap_bytes"))
    return Share(
        None if cores is None else float(str(cores)),
        None if memory is None else int(str(memory)),
        None if with_swap is None else int(str(with_swap)),
    )


def service_of(
    ref: Callable[[], ProcessRef | ContainerRef],
    *,
    run: str,
    stop: str,
    start_again: Callable[[], None],
    health: Callable[[], str | None],
) -> ProcessService | ContainerService:
    """Return the target for a service of run `run`, which this process has started.

    `ref` returns the service as it is now; `stop` is the signal that asks a process to stop; `start_again` starts it
    unless it runs; `health` asks it once and returns the error, or None. A container brings its own signal, and is
    started by its engine.
    """
    now = ref()
    if isinstance(now, ContainerRef):
        return ContainerService(now, run=run, health=health)

    def process() -> ProcessRef:
        again = ref()
        assert isinstance(again, ProcessRef)  # noqa: S101 - for the type checker: no service changes what it is
        return again

    own = ProcessId.own()
    return ProcessService(now.service, process, stop=stop, start_again=start_again, health=health, runner=own)
