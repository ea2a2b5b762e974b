"""The processes and containers that a run measures, and what becomes of them.

One that ends is an event, and from then on every pass asks who is the
service's now: another process or container, or the same one started anew, is
an event too and is measured from there on. Whoever is asked may have to wait
for an engine, so that it is done in the background.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Protocol

from harness.probes.background import Errand
from harness.probes.containers.container import open_container
from harness.probes.processes.process import ProcessProbe
from harness.probes.processes.tree import ProcessTree
from harness.probes.reading import Gone, Reading, reason
from harness.records import ContainerRef, Event, ProcessRef, ServiceRef

Refs = Callable[[], Iterable[ServiceRef]]


class ServiceProbe(Protocol):
    """Reads one process or container, which `identity` tells, in words, from every other."""

    service: str
    name: str
    identity: str
    restarts: int

    def read(self) -> Reading:
        """Look once. Raises Gone once it has ended, and whatever else stands in the way."""

    def close(self) -> None:
        """Let go of what it holds."""


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of a service: a probe, or None and why."""

    probe: ServiceProbe | None = None
    gone: bool = False
    oom_killed: bool = False
    reason: str = ""


class Service:
    """One service over the whole run: who is measured, and what has happened to it."""

    def __init__(self, name: str, kind: str, found: Found) -> None:
        self.service = name
        self.name = f"{kind}.{name}"
        self.probe = found.probe
        self.reason = found.reason
        self._gone = found.gone
        self._told_gone = False
        self._told_oom = False
        self._identity = found.probe.identity if found.probe else ""
        self._engine_restarts = found.probe.restarts if found.probe else 0
        self._restarts = 0
        # What was counted before the run is no news; what was counted since a restart is.
        self._oom_seen: float | None = None
        self._oom_kills = 0.0

    def read(self, t_s: float, events: list[Event]) -> Reading | None:
        """Return what its probe reads, None where there is nothing to measure. Raises what stands in the way."""
        try:
            if self.probe is not None:
                return self._counted(self.probe.read(), t_s, events)
        except Gone as gone:
            self._let_go()
            self._gone = True
            self.reason = ""
            self._tell_oom_kill(t_s, gone.oom_killed, events)
        if self._gone and not self._told_gone:
            self._told_gone = True
            events.append(Event(t_s, "service_gone", {"service": self.service}))
        return None

    def meet(self, found: Found, t_s: float, events: list[Event]) -> bool:
        """Take what was found of it; return whether somebody else is measured from now on."""
        fresh = found.probe is not None and found.probe.identity != self._identity
        if self.probe is not None or not fresh or found.probe is None:
            if found.probe is not None:
                found.probe.close()
            self._gone = self._gone or found.gone
            self.reason = found.reason
            self._tell_oom_kill(t_s, found.oom_killed, events)
            return False
        if self._gone or self._identity:
            detail = {"service": self.service, "before": self._identity or "none", "after": found.probe.identity}
            events.append(Event(t_s, "service_restarted", detail))
            # An engine may have restarted it several times meanwhile, and counts that by itself.
            self._restarts += max(1, found.probe.restarts - self._engine_restarts)
            self._oom_seen = 0.0
        self.probe, self._identity = found.probe, found.probe.identity
        self._engine_restarts = found.probe.restarts
        self._gone = self._told_gone = self._told_oom = False
        self.reason = ""
        return True

    def close(self) -> None:
        """Let go of its probe."""
        self._let_go()

    def _let_go(self) -> None:
        if self.probe is not None:
            self.probe.close()
            self.probe = None

    def _tell_oom_kill(self, t_s: float, oom_killed: bool, events: list[Event]) -> None:  # noqa: FBT001 - one caller's word
        if oom_killed and not self._told_oom:
            self._told_oom = True
            self._oom_kills += 1
            events.append(Event(t_s, "oom_killed", {"service": self.service, "kills": 1}))

    def _counted(self, reading: Reading, t_s: float, events: list[Event]) -> Reading:
        """Return a container's reading with its restarts and its kills for want of memory counted over the run."""
        if not self.name.startswith("container."):
            return reading
        values = {**reading.values, f"{self.name}.restarts": float(self._restarts)}
        if (seen := values.get(f"{self.name}.oom_kills")) is not None:
            kills = 0.0 if self._oom_seen is None else max(0.0, seen - self._oom_seen)
            if kills:
                events.append(Event(t_s, "oom_killed", {"service": self.service, "kills": int(kills)}))
            # One that is counted just before the end is that end, which the engine tells of as well.
            self._told_oom = kills > 0
            self._oom_kills += kills
            self._oom_seen = seen
            values[f"{self.name}.oom_kills"] = self._oom_kills
        return Reading(values, reading.missing)


class Lookup:
    """Asks, in the background, what there is of the services that have nothing to measure."""

    name = "services"

    def __init__(self, refs: Refs, tree: ProcessTree) -> None:
        self._refs = refs
        self._tree = tree
        self._errand = Errand("services")
        self._found: SimpleQueue[tuple[Mapping[str, Found], tuple[ServiceRef, ...]]] = SimpleQueue()
        self.wanted: frozenset[str] = frozenset()

    def look(self, wanted: Callable[[str], bool]) -> tuple[dict[str, Found], tuple[ServiceRef, ...]]:
        """Return KIND.SERVICE to what there is of each that is wanted, and all refs. Raises what `refs` does."""
        refs = tuple(self._refs())
        measured = [ref for ref in refs if isinstance(ref, ProcessRef | ContainerRef)]
        names = {f"{kind_of(ref)}.{ref.service}": ref for ref in measured}
        return {name: self._open(ref) for name, ref in names.items() if wanted(name)}, refs

    async def read(self) -> Reading:
        """Look for those in `wanted`; what is found is for `take`. Raises what asking for the refs does."""
        wanted = self.wanted
        self._found.put(await self._errand.run(lambda: self.look(wanted.__contains__)))
        return Reading({})

    def take(self) -> Iterator[tuple[Mapping[str, Found], tuple[ServiceRef, ...]]]:
        """Yield what was found since the last call."""
        while True:
            try:
                yield self._found.get_nowait()
            except Empty:
                return

    async def close(self) -> None:
        """Let go of what was found and not taken."""
        for found, _ in self.take():
            for each in found.values():
                if each.probe is not None:
                    each.probe.close()

    def _open(self, ref: ProcessRef | ContainerRef) -> Found:
        try:
            return Found(ProcessProbe(ref, self._tree) if isinstance(ref, ProcessRef) else open_container(ref))
        except Gone as gone:
            return Found(gone=True, oom_killed=gone.oom_killed)
        except Exception as error:  # noqa: BLE001 - whatever it was, this service cannot be measured now
            return Found(reason=reason(error))


def kind_of(ref: ProcessRef | ContainerRef) -> str:
    """Return the kind of series that a process or container has."""
    return "process" if isinstance(ref, ProcessRef) else "container"
