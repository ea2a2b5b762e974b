"""The dear figures of processes: USS, which takes a walk over all their pages, and sockets by state.

They come at a twelfth of the pace of the others, which a leak's slope does not
mind: USS of a twelfth of the services with each look, so that no look is much
dearer than the next, the sockets of all with each twelfth, since they share
what is dear. All of it is read in the background: a process that is just making
itself a large mapping keeps whoever asks for its pages waiting.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import psutil

from harness.probes.background import Errand
from harness.probes.processes.process import ProcessProbe
from harness.probes.processes.sockets import FIGURES, SocketTables
from harness.probes.reading import Reading

EVERY = 12


class DetailProbe:
    """Reads the trees of the processes that are measured at the time: `process.SERVICE.uss_bytes` and `.sockets_*`."""

    name = "process detail"

    def __init__(self, probes: Callable[[], Iterable[ProcessProbe]]) -> None:
        self._probes = probes
        self._errand = Errand("process-detail")
        self._looks = 0
        # In twelfths of a service; at once the first look's, so that a short run has a figure of somebody.
        self._owed = EVERY - 1
        self._turn: list[str] = []

    async def read(self) -> Reading:
        """Look at those whose turn it is; what the system refuses to tell is missing."""
        probes = list(self._probes())
        due, sockets = self._due(probes), self._looks % EVERY == 0
        self._looks += 1
        if not due and not sockets:
            return Reading({})
        return await self._errand.run(lambda: _look(due, probes if sockets else ()))

    async def close(self) -> None:
        """Nothing is held."""

    def _due(self, probes: Sequence[ProcessProbe]) -> list[ProcessProbe]:
        """Return whose turn it is: whoever was looked at longest ago, in all as many as there are in `EVERY` looks."""
        by_service = {probe.service: probe for probe in probes}
        waiting = [service for service in self._turn if service in by_service]
        waiting = [*(service for service in by_service if service not in waiting), *waiting]
        self._owed += len(waiting)
        share, self._owed = divmod(self._owed, EVERY)
        self._turn = [*waiting[share:], *waiting[:share]]
        return [by_service[service] for service in waiting[:share]]


def _look(due: Sequence[ProcessProbe], with_sockets: Sequence[ProcessProbe]) -> Reading:
    """Return the USS of the one and the sockets of the other."""
    values: dict[str, float] = {}
    missing: list[str] = []
    for probe in due:
        with _noting(missing, f"{probe.name}.uss_bytes"):
            values[f"{probe.name}.uss_bytes"] = _uss_bytes(probe.pids)
    tables = SocketTables()
    for probe in with_sockets:
        names = {figure: f"{probe.name}.sockets_{figure}" for figure in FIGURES}
        with _noting(missing, *names.values()):
            counted = tables.count(probe.pids)
            values |= {name: float(counted[figure]) for figure, name in names.items()}
    # A tree that has ended meanwhile was seen in part; the next pass tells that it is gone.
    ended = tuple(f"{probe.name}." for probe in (*due, *with_sockets) if not psutil.pid_exists(probe.pids[0]))
    return Reading({name: value for name, value in values.items() if not name.startswith(ended)}, tuple(missing))


@contextlib.contextmanager
def _noting(missing: list[str], *names: str) -> Iterator[None]:
    try:
        yield
    except psutil.AccessDenied:
        missing += names


def _uss_bytes(pids: Iterable[int]) -> float:
    """Return what the processes of a tree have to themselves, in bytes. Raises psutil.AccessDenied."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended since the last pass
            total += psutil.Process(pid).memory_full_info().uss
    return total
