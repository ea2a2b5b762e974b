"""The tick: once a second or so, what the load and the probes saw goes into the journal in one transaction.

Everything between the sockets and the disk happens on this one thread, so
that the load's own loop does nothing but load, and a tick is whole or absent.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Protocol

from harness.clock import Clock
from harness.history.history import History
from harness.journal import Journal
from harness.load.digest.digest import Digest, ErrorKey, capped
from harness.load.digest.histograms import HistogramLog
from harness.probes.sampler import Sampler
from harness.records import UNASKED, Event, Outcome

# An interval line of the histogram log is for merging, not for looking at: ten seconds keep 48 h small.
_HISTOGRAM_INTERVAL_S = 10.0
# Around each step of a fault every tick is kept: recovery is judged by them, and it takes seconds, or it has failed.
_KEPT_BEFORE_S = 10.0
_KEPT_AFTER_S = 120.0
_QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


class Load(Protocol):
    """What the recorder asks of a load: one engine, or many workers."""

    @property
    def in_flight(self) -> int:
        """How many calls wait for their replies now."""

    def take(self) -> Digest:
        """Return what ended since the last call, and what it cost."""


class Recorder:
    """Ticks every `tick_s` seconds until stopped, and tells `on_tick` each time, and `on_note` of what is noted.

    All times count from `epoch_s`, a reading of the clock. `history` is told, in
    order, of the requests that some check will judge (those with a key or a mark);
    `totals` counts all by (operation, outcome), `errors` what went wrong with them.
    """

    def __init__(
        self,
        journal: Journal,
        histograms: HistogramLog,
        sampler: Sampler,
        load: Load,
        *,
        history: History,
        clock: Clock,
        epoch_s: float,
        tick_s: float,
        on_tick: Callable[[float, Mapping[str, float]], None],
        on_note: Callable[..., object] | None = None,
    ) -> None:
        self._journal = journal
        self._histograms = histograms
        self._sampler = sampler
        self._load = load
        self._clock = clock
        self._epoch_s = epoch_s
        self.tick_s = tick_s
        self._on_tick = on_tick
        self._on_note = on_note
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._flushed_s = 0.0
        self.history = history
        self.totals: Counter[tuple[str, Outcome]] = Counter()
        self.errors: Counter[ErrorKey] = Counter()
        self.failure: BaseException | None = None

    def now_s(self) -> float:
        """Return seconds since the run's epoch."""
        return self._clock.now_s() - self._epoch_s

    def note(self, kind: str, **detail: object) -> None:
        """Record that something happened now; it is written with the next tick. Safe from any thread."""
        self._events.put(Event(self.now_s(), kind, detail))
        if self._on_note is not None:
            self._on_note(kind, **detail)

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def stop(self) -> None:
        """Write one last tick and end; the load must have been stopped. Harmless before `start` and when repeated."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        for step in (self._keep_ticking, lambda: self._histograms.close(self.now_s())):
            try:
                step()
            except Exception as error:  # noqa: BLE001 - a full disk or a bug: the run stops and says so
                self.failure = self.failure or error

    def _keep_ticking(self) -> None:
        n = int(self.now_s() / self.tick_s) + 1
        while not self._stopping.wait(max(0.0, n * self.tick_s - self.now_s())):
            self.tick()
            # Ticks that a stalled machine missed are gaps in the series, not a burst of late ones.
            n = max(n, int(self.now_s() / self.tick_s)) + 1
        self.tick()

    def tick(self) -> None:
        """Write what the load and the probes saw since the last tick. Raises JournalError."""
        now_s = self.now_s()
        digest = self._load.take()
        values, events = self._sampler.sample(now_s)
        values |= summarise(digest) | {"generator.in_flight": self._load.in_flight}
        self.totals += digest.counts
        self.errors = capped(self.errors + digest.errors)
        self.history.see(digest.samples)
        self._histograms.record(digest.times)
        if now_s - self._flushed_s >= _HISTOGRAM_INTERVAL_S:
            self._histograms.flush(now_s)
            self._flushed_s = now_s
        events = [*self._pending(), *events]
        self._journal.write_tick(now_s, values, events)
        for event in events:
            if event.kind == "fault":
                self._journal.keep(event.t_s - _KEPT_BEFORE_S, event.t_s + _KEPT_AFTER_S)
        self._on_tick(now_s, values)

    def _pending(self) -> list[Event]:
        events = []
        while True:
            try:
                events.append(self._events.get_nowait())
            except Empty:
                return events


def summarise(digest: Digest) -> dict[str, float]:
    """Return one tick's series of the load: counts by operation and outcome, response-time quantiles, lag (seconds).

    `load.all.good_fraction` is the share that was answered well of all that ended and somebody waited for.
    """
    values: dict[str, float] = {f"load.{op}.{outcome}": float(n) for (op, outcome), n in digest.counts.items()}
    values["load.all.offered"] = float(digest.offered)
    awaited = {key: n for key, n in digest.counts.items() if key[0] not in UNASKED and key[1] is not Outcome.CANCELLED}
    if total := sum(awaited.values()):
        values["load.all.good_fraction"] = sum(n for (_, how), n in awaited.items() if how is Outcome.OK) / total
    for operation in ["all", *sorted({tag.operation for tag in digest.times})]:
        times = digest.response(None if operation == "all" else operation)
        if times.total:
            for name, quantile in _QUANTILES.items():
                values[f"load.{operation}.response_s_{name}"] = times.quantile_s(quantile)
    if digest.lags:
        values["generator.lag_s_max"] = digest.lag_s(1.0)
        values["generator.lag_s_p95"] = digest.lag_s(0.95)
    for name, health in digest.health.items():
        values |= {f"{name}.{figure}": value for figure, value in health._asdict().items()}
    return values
