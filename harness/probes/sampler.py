"""The one sampling loop: at its own interval every probe looks, and none keeps another waiting.

What costs microseconds is read in the recorder's thread. What must be asked
over a socket or may hang is asked in the background; answers are waited for
just long enough that those of a healthy system stand in the same tick. Those
that come later stand in the tick they come in, and those that do not come by
the next pass are missing, are counted, and are told of.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from harness.probes.attendance import Attendance
from harness.probes.background import Background
from harness.probes.files import LogProbe
from harness.probes.processes.detail import DetailProbe
from harness.probes.processes.process import OwnProbe, ProcessProbe
from harness.probes.processes.tree import ProcessTree
from harness.probes.reading import Probe, QuickProbe, Reading, SlowProbe, reason
from harness.probes.runtime import RuntimeProbe
from harness.probes.services import Lookup, Refs, Service
from harness.records import Event, LogRef, MetricsRef, ServiceRef

# What a long run needs for its slopes at a thousandth of a core.
INTERVAL_S = 10.0
# Of so many samples over a whole run the calm of a busy one still has 120: twenty blocks of six.
_SAMPLES_WANTED = 400
# A healthy service answers within a few milliseconds, a busy one within tens.
GRACE_S = 0.1
# A tick that comes a little early is the one that was meant.
_EARLY = 0.05


def interval_for(run_s: float) -> float:
    """Return the interval for a run of so many seconds: the default, or less where that would give too few samples."""
    return min(INTERVAL_S, run_s / _SAMPLES_WANTED)


class Sampler:
    """Reads what `refs` names, the witnesses, and the harness's own process, every `interval_s` seconds.

    `refs` is called at once, which says what is measured, and again whenever something of that is gone; refs that
    cannot change may be given as they are. Series are `KIND.SUBJECT.FIGURE`. All methods are for one thread.
    Raises what `refs` does.
    """

    def __init__(
        self,
        refs: Refs | Iterable[ServiceRef],
        *,
        interval_s: float = INTERVAL_S,
        witnesses: Iterable[Probe] = (),
    ) -> None:
        self._interval_s = interval_s
        self._due_s = float("-inf")
        self._tree = ProcessTree()
        self._attendance = Attendance()
        self._background = Background()
        self._overtaken: set[str] = set()
        self._lookup = Lookup(_callable(refs), self._tree)
        found, named = self._lookup.look(lambda _: True)
        self._services = [Service(name.partition(".")[2], name.partition(".")[0], each) for name, each in found.items()]
        self._quick: list[QuickProbe] = [OwnProbe()]
        self._slow: dict[str, SlowProbe] = {}
        if any(service.name.startswith("process.") for service in self._services):
            self._add(DetailProbe(self._processes))
        for witness in witnesses:
            self._add(witness)
        self._add_pages(named)
        folders: dict[Path, list[LogRef]] = {}
        for ref in named:
            if isinstance(ref, LogRef):
                folders.setdefault(ref.path.parent, []).append(ref)
        for folder, logs in folders.items():
            self._add(LogProbe(folder, logs))

    def sample(self, t_s: float) -> tuple[dict[str, float], list[Event]]:
        """Return the series' values and the events since the last call; `t_s` is now, in seconds since the epoch.

        Called every tick: between two passes it only picks up what has come late. A pass takes a few milliseconds
        and waits at most `GRACE_S` for answers.
        """
        values: dict[str, float] = {}
        events: list[Event] = []
        self._pick_up(t_s, values, events)
        if t_s >= self._due_s - _EARLY * self._interval_s:
            # On a grid of its own, so that the interval holds over many passes; what a stall swallowed is let go.
            due_s = self._due_s + self._interval_s
            self._due_s = due_s if due_s > t_s else t_s + self._interval_s
            self._pass(t_s, values, events)
            self._pick_up(t_s, values, events, wait_s=GRACE_S)
            values["sampler.all.missing"] = float(self._attendance.missing)
        return values, events

    def close(self) -> None:
        """Let go of everything, within a few seconds whoever hangs. Harmless when repeated."""
        self._background.close()
        for service in self._services:
            service.close()

    def _pass(self, t_s: float, values: dict[str, float], events: list[Event]) -> None:
        """Read what is quick and ask what is slow."""
        began_s = time.perf_counter()
        self._tree.begin()
        for service in self._services:
            self._look(service, t_s, values, events)
        for probe in self._quick:
            try:
                self._take(probe.name, probe.read(), t_s, values, events)
            except Exception as error:  # noqa: BLE001 - whatever it was, this probe has no sample and the others have
                events += self._attendance.silent(probe.name, reason(error), t_s)
        self._ask(t_s, events)
        values["sampler.all.pass_s"] = time.perf_counter() - began_s

    def _look(self, service: Service, t_s: float, values: dict[str, float], events: list[Event]) -> None:
        try:
            reading = service.read(t_s, events)
        except Exception as error:  # noqa: BLE001 - as for any probe
            events += self._attendance.silent(service.name, reason(error), t_s)
            return
        if reading is not None:
            self._take(service.name, reading, t_s, values, events)
        elif service.reason:
            events += self._attendance.silent(service.name, service.reason, t_s)
        else:
            self._attendance.gone(service.name)

    def _ask(self, t_s: float, events: list[Event]) -> None:
        probes = [*self._slow.values()]
        if without := frozenset(service.name for service in self._services if service.probe is None):
            probes.append(self._lookup)
            self._lookup.wanted = without
        for probe in probes:
            if self._background.waits_for(probe.name):
                self._overtaken.add(probe.name)
                events += self._attendance.silent(probe.name, "no answer by the next pass", t_s)
        self._background.ask([probe for probe in probes if not self._background.waits_for(probe.name)])

    def _pick_up(self, t_s: float, values: dict[str, float], events: list[Event], *, wait_s: float = 0.0) -> None:
        for name, reading, why in self._background.take(wait_s=wait_s):
            if reading is None:
                events += self._attendance.silent(name, why, t_s)
            else:
                self._take(name, reading, t_s, values, events)
            self._overtaken.discard(name)
        for found, named in self._lookup.take():
            met = {s.service for s in self._services if s.name in found and s.meet(found[s.name], t_s, events)}
            # Started anew, a service may be at another address.
            self._add_pages(ref for ref in named if ref.service in met)

    def _take(self, name: str, reading: Reading, t_s: float, values: dict[str, float], events: list[Event]) -> None:
        values |= reading.values
        events += self._attendance.answered(name, reading, t_s, in_time=name not in self._overtaken)

    def _add(self, probe: Probe) -> None:
        if inspect.iscoroutinefunction(probe.read):
            self._slow[probe.name] = cast("SlowProbe", probe)
        else:
            self._quick.append(cast("QuickProbe", probe))

    def _add_pages(self, refs: Iterable[ServiceRef]) -> None:
        for ref in refs:
            if isinstance(ref, MetricsRef):
                self._add(RuntimeProbe(ref))

    def _processes(self) -> list[ProcessProbe]:
        return [service.probe for service in self._services if isinstance(service.probe, ProcessProbe)]


def _callable(refs: Refs | Iterable[ServiceRef]) -> Refs:
    if callable(refs):
        return refs
    fixed = tuple(refs)
    return lambda: fixed
