"""What a service says of its own insides: heap, collector, tasks, pools, from its Prometheus page.

Only the lines of metrics that are wanted are parsed, for a page may have
thousands and parsing is what a scrape costs. A page says what it likes, so
what is kept of it has a limit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from prometheus_client.parser import text_string_to_metric_families

from harness.probes.http_get import get
from harness.probes.metric_names import KNOWN, Known
from harness.probes.reading import Reading, Unreadable
from harness.records import MetricsRef

# Each is a series in the journal; a label with a value for each user must not fill it.
FIGURES_MAX = 100
PAGE_MAX_BYTES = 4 * 2**20

_UNFIT = re.compile(r"[^A-Za-z0-9_]")
_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")


class RuntimeProbe:
    """Scrapes one service's page; the series are `runtime.SERVICE.FIGURE`, a metric named by its user under its name.

    A named metric that the page does not have is missing.
    """

    def __init__(self, ref: MetricsRef) -> None:
        self.service = ref.service
        self.name = f"runtime.{ref.service}"
        self._ref = ref

    async def read(self) -> Reading:
        """Scrape once. Raises Unreadable for a page that is none, and what the connection raises."""
        page = await get(self._ref.url)
        if len(page) > PAGE_MAX_BYTES:
            raise Unreadable(f"a page of more than {PAGE_MAX_BYTES} bytes")
        figures = figures_of(page.decode("utf-8", "replace"), self._ref.gauges)
        kept = dict(sorted(figures.items())[:FIGURES_MAX])
        absent = [_fit(gauge) for gauge in self._ref.gauges if _fit(gauge) not in figures]
        missing = [*absent, *sorted(figures.keys() - kept.keys())]
        return Reading(
            {f"{self.name}.{figure}": value for figure, value in kept.items()},
            tuple(f"{self.name}.{figure}" for figure in missing),
        )

    async def close(self) -> None:
        """Nothing is held."""


def figures_of(page: str, gauges: tuple[str, ...] = ()) -> dict[str, float]:
    """Return what a page in Prometheus' text format says, by figure: the known metrics and those named in `gauges`.

    Samples of one figure, such as a collector's generations, are added up; what is no finite number is left out.
    Raises Unreadable where a wanted line is none of the format.
    """
    wanted: Mapping[str, tuple[Known, ...]] = {**KNOWN, **{name: (Known(name),) for name in gauges}}
    figures: dict[str, float] = {}
    for name, labels, value in _samples(page, wanted):
        if not math.isfinite(value):
            continue
        for known in wanted[name]:
            if known.labels.items() <= labels.items():
                figure = _fit(known.figure.format(labels.get(known.by, "")))
                figures[figure] = figures.get(figure, 0.0) + value
    return figures


def _samples(page: str, wanted: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, str], float]]:
    """Yield (name, labels, value) of each line whose metric is wanted.

    Without their TYPE lines samples keep the names that they have on the page.
    """
    lines = [line for line in page.split("\n") if (name := _NAME.match(line)) and name.group() in wanted]
    try:
        for family in text_string_to_metric_families("\n".join(lines) + "\n"):
            for sample in family.samples:
                yield sample.name, sample.labels, float(sample.value)
    except (ValueError, KeyError, IndexError) as error:
        raise Unreadable(f"no page of Prometheus' text format: {type(error).__name__}") from error


def _fit(name: str) -> str:
    """Return a name as it may stand in a series'."""
    return _UNFIT.sub("_", name)
