"""Puts local processes back: has a stopped tree go on, and a service that was ended run again.

Only a stack's own runner can start a service of it: it knows how. So it brings
an action of its own for that (`StartAgain`); anybody else has nothing to start
once the runner is gone, for then the whole stack is ended by its reaper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chaos.processes import resume, stopped_in
from harness.errors import HealFailed, HeavyweatherError
from harness.identity import find_process


class ResumeProcess:
    """`process.resume`: `service`, and `pid` and `created_s` (Unix seconds) of the first process of its tree."""

    def carry_out(self, args: Mapping[str, object]) -> None:
        """Have the tree go on. Raises ChaosError."""
        if process := find_process(int(str(args["pid"])), float(str(args["created_s"]))):
            resume(process)

    def amiss(self, args: Mapping[str, object]) -> str | None:
        """Return how many are still stopped, if any."""
        process = find_process(int(str(args["pid"])), float(str(args["created_s"])))
        stopped = stopped_in(process) if process else 0
        return f"{stopped} processes of {args['service']} are still stopped" if stopped else None


class StartByRunner:
    """`service.start` for whoever is not the runner: `service`, `runner_pid`, `runner_created_s` (Unix seconds)."""

    def carry_out(self, args: Mapping[str, object]) -> None:
        """Start nothing: without its runner there is no stack that it could be started in."""

    def amiss(self, args: Mapping[str, object]) -> str | None:
        """Return None once the runner is gone, otherwise that it is the runner's to do."""
        if find_process(int(str(args["runner_pid"])), float(str(args["runner_created_s"]))) is None:
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

    def amiss(self, args: Mapping[str, object]) -> str | None:
        """Return what is wrong with its answer."""
        return self._health(str(args["service"]))
