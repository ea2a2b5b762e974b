"""One pass over every probe: what the services cost now.

A probe that fails is missing from the pass and never stops it; a service that
is gone is an event, told once, never a silent gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import psutil

from harness.probes.container import ContainerGone, ContainerProbe
from harness.probes.process import ProcessProbe
from harness.records import ContainerRef, Event, ProcessRef, ServiceRef


class Probe(Protocol):
    """Something that reads one service's figures; it raises when the service is gone."""

    service: str

    def sample(self) -> Mapping[str, float]:
        """Return the figures by name."""


class Sampler:
    """Reads all services of a run; series are named `process.SERVICE.FIGURE` or `container.SERVICE.FIGURE`."""

    def __init__(self, services: Iterable[ServiceRef]) -> None:
        self._probes: dict[str, Probe] = {}
        for ref in services:
            match ref:
                case ProcessRef():
                    self._probes[f"process.{ref.service}"] = ProcessProbe(ref)
                case ContainerRef():
                    self._probes[f"container.{ref.service}"] = ContainerProbe(ref)

    def sample(self, t_s: float) -> tuple[dict[str, float], list[Event]]:
        """Return the series' values and the events of one pass at `t_s`."""
        values: dict[str, float] = {}
        events: list[Event] = []
        for name, probe in list(self._probes.items()):
            try:
                values |= {f"{name}.{figure}": value for figure, value in probe.sample().items()}
            except (psutil.NoSuchProcess, ContainerGone):
                del self._probes[name]
                events.append(Event(t_s, "service_gone", {"service": probe.service}))
            except psutil.Error as error:
                events.append(Event(t_s, "probe_failed", {"service": probe.service, "error": str(error)}))
        return values, events

    def close(self) -> None:
        """Let go of the streams that probes hold."""
        for probe in self._probes.values():
            if isinstance(probe, ContainerProbe):
                probe.close()
