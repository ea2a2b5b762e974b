"""Makes targets of a stack's services, each by what it is: a process, or a container."""

from __future__ import annotations

from collections.abc import Callable

from chaos.containers import ContainerService
from chaos.processes import ProcessService, Runner
from harness.records import ContainerRef, ProcessRef


def service_of(
    ref: Callable[[], ProcessRef | ContainerRef],
    *,
    run: str,
    stop: str,
    start_again: Callable[[], None],
    health: Callable[[], str | None],
) -> ProcessService | ContainerService:
    """Return the target for a service of run `run`, which this process has started.

    `ref` tells who the service is now; `stop` is the signal that asks a process to stop; `start_again` starts it
    unless it runs; `health` asks it once and returns what is amiss. A container brings its own signal, and is
    started by its engine.
    """
    now = ref()
    if isinstance(now, ContainerRef):
        return ContainerService(now, run=run, health=health)

    def process() -> ProcessRef:
        again = ref()
        assert isinstance(again, ProcessRef)  # noqa: S101 - for the type checker: no service changes what it is
        return again

    return ProcessService(now.service, process, stop=stop, start_again=start_again, health=health, runner=Runner.own())
