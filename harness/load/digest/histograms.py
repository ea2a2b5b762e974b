"""Response, service, connect and acquire times as HdrHistogram interval logs.

One histogram for each operation, outcome and kind of time; every interval each
goes as one tagged line into `load.hlog`, and is reset. Any window of the run
is then an exact merge, and other HdrHistogram tools read the file.
"""

from __future__ import annotations

import math
from pathlib import Path

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader, HistogramLogWriter

from harness.load.digest.digest import Tag
from harness.load.digest.times import Times, empty_histogram

HISTOGRAMS_NAME = "load.hlog"
# Beyond any mix of ours; every tag takes a line of some KB an interval, and memory for as long as it lasts.
TAGS_MAX = 1000
OTHER_TAG = "other"

_US = 1e6
_STAMPS_PER_S = 1e3


class HistogramLog:
    """Collects the times of digests and writes an interval's histograms at once.

    Times in the file are seconds since the run's epoch, durations microseconds. With `resume` it goes on where a
    killed run left the file.
    """

    def __init__(self, run_folder: Path, *, resume: bool = False) -> None:
        path = run_folder / HISTOGRAMS_NAME
        if resume and path.exists():
            _cut_torn_line(path)
        self._file = path.open("a" if resume else "w", encoding="ascii")
        self._writer = HistogramLogWriter(self._file)
        self._writer.output_log_format_version()
        self._writer.output_legend()
        self._open: dict[str, Times] = {}
        self._known: set[str] = set()
        self._began_s = 0.0

    def record(self, times: dict[Tag, Times]) -> None:
        """Add to the open interval. Tags beyond TAGS_MAX different ones in a run are kept together as `other`."""
        for tag, more in times.items():
            name = self._name(tag)
            held = self._open.get(name)
            self._open[name] = more if held is None else Times.sum((held, more))

    def _name(self, tag: Tag) -> str:
        name = str(tag)
        if name not in self._known and len(self._known) >= TAGS_MAX:
            return f"{OTHER_TAG}.{tag.kind}"
        self._known.add(name)
        return name

    def flush(self, now_s: float) -> None:
        """Close the interval at `now_s` and write its lines."""
        for name, times in self._open.items():
            self._file.write(f"Tag={name},")
            # The library takes a beginning of 0 for one that was not given.
            self._writer.output_interval_histogram(times.histogram(), self._began_s or 1e-6, now_s, _US)
        self._open = {}
        self._file.flush()
        self._began_s = now_s

    def close(self, now_s: float) -> None:
        """Write what is open and close the file; on a full disk it is closed all the same, and the error raised."""
        with self._file:
            self.flush(now_s)


def _cut_torn_line(path: Path) -> None:
    """Cut what a killed writer left of a line it did not finish."""
    with path.open("rb+") as file:
        whole = file.read().rfind(b"\n") + 1
        file.truncate(whole)


def merged(run_folder: Path, tag: str, *, since_s: float = 0.0, until_s: float = math.inf) -> HdrHistogram:
    """Return one tag's histogram (microseconds) of the intervals that lie within a window of the run.

    A tag is `OPERATION.OUTCOME.KIND`, the kind one of response, service, connect and acquire.
    """
    reader = HistogramLogReader(str(run_folder / HISTOGRAMS_NAME), empty_histogram())
    total = empty_histogram()
    try:
        while (histogram := reader.get_next_interval_histogram()) is not None:
            begins_s, ends_s = (
                histogram.get_start_time_stamp() / _STAMPS_PER_S,
                histogram.get_end_time_stamp() / _STAMPS_PER_S,
            )
            # The file's stamps are whole milliseconds.
            within = begins_s > since_s - 1 / _STAMPS_PER_S and ends_s < until_s + 1 / _STAMPS_PER_S
            if histogram.get_tag() == tag and within:
                total.add(histogram)
    finally:
        reader.close()
    return total
