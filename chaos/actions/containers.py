"""Puts containers back: has them go on, run again, and use what they were allowed, on the engine that the step names.

One that is not of the run is left alone, and one that was removed needs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chaos.containers import Place, Share
from harness.errors import HealFailed, HeavyweatherError


class Unpause:
    """`container.unpause`: `service`, `engine`, `container` (its id), `run`."""

    def carry_out(self, args: Mapping[str, object]) -> None:
        """Have it go on. Raises ChaosError, Refused when it is not of the run."""
        with Place.of(args).opened() as container:
            if container and container.attrs["State"]["Paused"]:
                container.unpause()

    def amiss(self, args: Mapping[str, object]) -> str | None:
        """Return what is wrong while it is paused. Raises as `carry_out`."""
        with Place.of(args).opened() as container:
            paused = bool(container and container.attrs["State"]["Paused"])
        return f"the container of {args['service']} is still paused" if paused else None


class StartContainer:
    """`container.start`: `service`, `engine`, `container` (its id), `run`.

    `wait`, for whoever has the stack at hand, waits until a service by that name answers, or raises one of our errors.
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

    def amiss(self, args: Mapping[str, object]) -> str | None:
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
            if container and share.amiss(container):
                share.give(container)

    def amiss(self, args: Mapping[str, object]) -> str | None:
        """Return what is wrong while it is allowed something else. Raises as `carry_out`."""
        with Place.of(args).opened() as container:
            return _share(args).amiss(container) if container else None


def _share(args: Mapping[str, object]) -> Share:
    cores, memory, with_swap = (args[key] for key in ("cpu_cores", "memory_bytes", "memory_and_swap_bytes"))
    return Share(
        None if cores is None else float(str(cores)),
        None if memory is None else int(str(memory)),
        None if with_swap is None else int(str(with_swap)),
    )
