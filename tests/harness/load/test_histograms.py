"""The interval log, read back by the library's own reader."""

import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.load.histograms import FILE_NAME, HistogramLog, merged
from harness.records import Outcome, Sample

samples = st.builds(
    lambda operation, outcome, lag_s, service_s: Sample(operation, outcome, 1.0, 1.0 + lag_s, 1.0 + lag_s + service_s),
    st.sampled_from(["read", "write"]),
    st.sampled_from([Outcome.OK, Outcome.TIMED_OUT, Outcome.DROPPED]),
    st.floats(0, 2),
    st.floats(0, 400),
)


def direct(times_s: list[float]) -> HdrHistogram:
    """Return the histogram of some times made by hand; the log's highest value is five minutes."""
    histogram = HdrHistogram(1, 300_000_000, 3)
    for time_s in times_s:
        histogram.record_value(min(max(int(time_s * 1e6), 1), 300_000_000))
    return histogram


def write(folder: Path, intervals: list[list[Sample]]) -> None:
    log = HistogramLog(folder)
    for number, interval in enumerate(intervals, start=1):
        log.record(interval)
        log.flush(10.0 * number)
    log.close(10.0 * len(intervals) + 5)


def lines(folder: Path) -> list[HdrHistogram]:
    reader = HistogramLogReader(str(folder / FILE_NAME), HdrHistogram(1, 300_000_000, 3))
    try:
        return list(iter(reader.get_next_interval_histogram, None))
    finally:
        reader.close()


@settings(max_examples=25)
@given(intervals=st.lists(st.lists(samples, max_size=8), max_size=4))
def test_merged_intervals_are_the_direct_histogram(
    intervals: list[list[Sample]],
) -> None:
    expected: defaultdict[str, list[float]] = defaultdict(list)
    for sample in (s for interval in intervals for s in interval):
        if sample.outcome is not Outcome.DROPPED:
            expected[f"{sample.operation}.{sample.outcome}.response"].append(sample.response_s)
            expected[f"{sample.operation}.{sample.outcome}.service"].append(sample.service_s)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, intervals)
        assert {line.get_tag() for line in lines(folder)} == set(expected)
        for tag, times_s in expected.items():
            assert merged(folder, tag).equals(direct(times_s))


def test_a_window_is_a_merge_of_its_own_lines(tmp_path: Path) -> None:
    def took(time_s: float) -> Sample:
        return Sample("read", Outcome.OK, 0.0, 0.0, time_s)

    write(tmp_path, [[took(0.1)], [took(0.2), took(0.3)], [], [took(0.4)]])
    responses = [line for line in lines(tmp_path) if line.get_tag() == "read.ok.response"]
    # Stamps are milliseconds; the first interval cannot begin at 0, which the library takes for "not given".
    assert [(line.get_start_time_stamp(), line.get_end_time_stamp()) for line in responses] == [
        (pytest.approx(0, abs=0.01), pytest.approx(10_000)),
        (10_000, 20_000),
        (30_000, 40_000),
    ]
    window = HdrHistogram(1, 300_000_000, 3)
    window.add(responses[1])
    window.add(responses[2])
    assert window.equals(direct([0.2, 0.3, 0.4]))


def test_a_dropped_arrival_took_no_time_and_has_none(tmp_path: Path) -> None:
    write(tmp_path, [[Sample("read", Outcome.DROPPED, 1.0, 2.0, 2.0)]])
    assert lines(tmp_path) == []
    assert merged(tmp_path, "read.dropped.response").get_total_count() == 0


def test_the_two_times_of_a_late_request_are_kept_apart(tmp_path: Path) -> None:
    write(tmp_path, [[Sample("read", Outcome.OK, 1.0, 2.5, 2.75)]])
    assert merged(tmp_path, "read.ok.response").get_max_value() == pytest.approx(1.75e6, rel=1e-3)
    assert merged(tmp_path, "read.ok.service").get_max_value() == pytest.approx(0.25e6, rel=1e-3)


def test_what_was_flushed_is_there_before_the_end(tmp_path: Path) -> None:
    log = HistogramLog(tmp_path)
    log.record([Sample("read", Outcome.OK, 0.0, 0.0, 0.1)])
    log.flush(10.0)
    log.record([Sample("read", Outcome.OK, 0.0, 0.0, 0.2)])
    try:
        assert merged(tmp_path, "read.ok.response").get_total_count() == 1
    finally:
        log.close(20.0)
    assert merged(tmp_path, "read.ok.response").get_total_count() == 2
