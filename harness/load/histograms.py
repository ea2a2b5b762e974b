"""Response and service times as HdrHistogram interval logs.

One histogram for each operation, outcome and kind of time; every interval
each goes as one tagged line into `load.hlog` and is reset. Any window of the
run is then an exact merge, and other HdrHistogram tools read the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader, HistogramLogWriter

from harness.records import Outcome, Sample

FILE_NAME = "load.hlog"
# Microseconds, from 1 us to 5 min, at 3 digits: finer than any clock here, longer than any deadline.
_LOWEST, _HIGHEST, _DIGITS = 1, 300_000_000, 3
_US = 1e6


def _new() -> HdrHistogram:
    return HdrHistogram(_LOWEST, _HIGHEST, _DIGITS)


class HistogramLog:
    """Collects samples and writes an interval's histograms at a time. Times in the file are seconds since the epoch."""

    def __init__(self, run_folder: Path) -> None:
        self._file = (run_folder / FILE_NAME).open("w", encoding="ascii")
        self._writer = HistogramLogWriter(self._file)
        self._writer.output_log_format_version()
        self._writer.output_legend()
        self._open: dict[str, HdrHistogram] = {}
        self._began_s = 0.0

    def record(self, samples: Iterable[Sample]) -> None:
        """Count samples into the open interval; a dropped arrival took no time and has none."""
        for sample in samples:
            if sample.outcome is not Outcome.DROPPED:
                tag = f"{sample.operation}.{sample.outcome}"
                self._count(f"{tag}.response", sample.response_s)
                self._count(f"{tag}.service", sample.service_s)

    def _count(self, tag: str, time_s: float) -> None:
        histogram = self._open.get(tag)
        if histogram is None:
            histogram = self._open[tag] = _new()
        histogram.record_value(min(max(int(time_s * _US), _LOWEST), _HIGHEST))

    def flush(self, now_s: float) -> None:
        """Close the interval at `now_s` and write its lines."""
        for tag, histogram in self._open.items():
            if histogram.get_total_count():
                self._file.write(f"Tag={tag},")
                self._writer.output_interval_histogram(histogram, self._began_s or 1e-6, now_s, _US)
                histogram.reset()
        self._file.flush()
        self._began_s = now_s

    def close(self, now_s: float) -> None:
        """Write what is open and close the file; on a full disk it is closed all the same, and the error raised."""
        with self._file:
            self.flush(now_s)


def merged(run_folder: Path, tag: str) -> HdrHistogram:
    """Return the whole run's histogram (microseconds) of one tag, `OPERATION.OUTCOME.response` or `.service`."""
    reader = HistogramLogReader(str(run_folder / FILE_NAME), _new())
    total = _new()
    try:
        while (histogram := reader.get_next_interval_histogram()) is not None:
            if histogram.get_tag() == tag:
                total.add(histogram)
    finally:
        reader.close()
    return total
