"""What a service tells Prometheus: readings taken at the scrape, and counts kept between them.

Each process has its own registry, so that two services in one test process do
not meet. Garbage collector pauses are counted in plain integers: the
collector may run at any moment, also while a lock of the client library is
held, and must not wait for one.
"""

from __future__ import annotations

import gc
import sys
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .heap import heap_reader

_PAUSE_BOUNDS_S = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True, slots=True)
class Reading:
    """A number that is read at the scrape; a name that ends in `_total` is a counter."""

    name: str
    documentation: str
    read: Callable[[], float]
    labels: Mapping[str, str]


class Metrics(Collector):
    """One process's registry, its readings, its replies by status, its memory, and its collector's pauses."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._readings: list[Reading] = []
        self._replies: Counter[int] = Counter()
        self._pauses = [0] * (len(_PAUSE_BOUNDS_S) + 1)
        self._paused_s = 0.0
        self._pause_began_s = 0.0
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.watch("hw_allocated_blocks", "Blocks that Python's own allocator has lent.", sys.getallocatedblocks)
        if (heap_bytes := heap_reader()) is not None:
            self.watch("hw_heap_bytes", "Bytes in use as malloc counts them.", heap_bytes)
        self.registry.register(self)

    def watch(self, name: str, documentation: str, read: Callable[[], float], **labels: str) -> None:
        """Have `read` called at each scrape. The same name again needs the same label names."""
        self._readings.append(Reading(name, documentation, read, labels))

    def count_reply(self, status: int) -> None:
        """Count one HTTP reply."""
        self._replies[status] += 1

    def start(self) -> None:
        """Begin to time the garbage collector."""
        gc.callbacks.append(self._collector_ran)

    def stop(self) -> None:
        """Leave the garbage collector alone."""
        if self._collector_ran in gc.callbacks:
            gc.callbacks.remove(self._collector_ran)

    def routes(self) -> list[Route]:
        """Return where the numbers are."""
        return [Route("/metrics", self._get, methods=["GET"])]

    def collect(self) -> Iterable[Metric]:
        """Return the families of this scrape."""
        yield from self._read_all()
        replies = CounterMetricFamily("hw_http_replies", "HTTP replies sent.", labels=["status"])
        for status, count in sorted(self._replies.items()):
            replies.add_metric([str(status)], count)
        yield replies
        yield self._pause_histogram()

    def _read_all(self) -> Iterable[Metric]:
        families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}
        for reading in self._readings:
            family = families.get(reading.name)
            if family is None:
                kind = CounterMetricFamily if reading.name.endswith("_total") else GaugeMetricFamily
                family = families[reading.name] = kind(reading.name, reading.documentation, labels=list(reading.labels))
            family.add_metric(list(reading.labels.values()), reading.read())
        return families.values()

    def _pause_histogram(self) -> Metric:
        buckets: list[tuple[str, float]] = []
        below = 0
        for bound, count in zip([*map(str, _PAUSE_BOUNDS_S), "+Inf"], self._pauses, strict=True):
            below += count
            buckets.append((bound, below))
        family = HistogramMetricFamily("hw_gc_pause_seconds", "Pauses by the garbage collector.")
        family.add_metric([], buckets, self._paused_s)
        return family

    def _collector_ran(self, phase: str, _info: Mapping[str, int]) -> None:
        if phase == "start":
            self._pause_began_s = time.perf_counter()
            return
        pause_s = time.perf_counter() - self._pause_began_s
        self._paused_s += pause_s
        self._pauses[bisect_left(_PAUSE_BOUNDS_S, pause_s)] += 1

    async def _get(self, _request: Request) -> Response:
        # Async, so that readings of the event loop are taken on it.
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)
