"""The interval log, read back by the library's own reader."""

import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.load.call import Call
from harness.load.digest import histograms
from harness.load.digest.digest import Digest
from harness.load.digest.histograms import HISTOGRAMS_NAME, HistogramLog, merged
from harness.load.digest.times import empty_histogram
from harness.records import Outcome
from tests.harness.load.calls import calls, ended


def direct(times_s: list[float]) -> HdrHistogram:
    """Return the histogram of some times made by hand; the log's highest value is five minutes."""
    histogram = empty_histogram()
    for time_s in times_s:
        histogram.record_value(min(max(round(time_s * 1e9) // 1000, 1), 300_000_000))
    return histogram


def write(folder: Path, intervals: list[list[Call]]) -> None:
    log = HistogramLog(folder)
    for number, interval in enumerate(intervals, start=1):
        # In two goes, as ticks within an interval come.
        for part in (interval[::2], interval[1::2]):
            log.record(Digest.of(part).times)
        log.flush(10.0 * number)
    log.close(10.0 * len(intervals) + 5)


def lines(folder: Path) -> list[HdrHistogram]:
    reader = HistogramLogReader(str(folder / HISTOGRAMS_NAME), empty_histogram())
    try:
        return list(iter(reader.get_next_interval_histogram, None))
    finally:
        reader.close()


@settings(max_examples=25, deadline=None)
@given(intervals=st.lists(st.lists(calls, max_size=8), max_size=4))
def test_merged_intervals_are_the_direct_histogram(intervals: list[list[Call]]) -> None:
    expected: defaultdict[str, list[float]] = defaultdict(list)
    for call in (c for interval in intervals for c in interval):
        if call.outcome not in {Outcome.DROPPED, Outcome.CANCELLED}:
            sample, tag = call.sample(), f"{call.operation}.{call.outcome}"
            expected[f"{tag}.response"].append(sample.response_s)
            expected[f"{tag}.service"].append(sample.service_s)
            for kind, waited_s in (("connect", sample.connect_s), ("acquire", sample.acquire_s)):
                if waited_s:
                    expected[f"{tag}.{kind}"].append(waited_s)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, intervals)
        assert {line.get_tag() for line in lines(folder)} == set(expected)
        for tag, times_s in expected.items():
            assert merged(folder, tag).equals(direct(times_s))


def test_a_window_is_a_merge_of_its_own_lines(tmp_path: Path) -> None:
    def took(time_s: float) -> Call:
        return ended(took_s=time_s)

    write(tmp_path, [[took(0.1)], [took(0.2), took(0.3)], [], [took(0.4)]])
    responses = [line for line in lines(tmp_path) if line.get_tag() == "read.ok.response"]
    # Stamps are milliseconds; the first interval cannot begin at 0, which the library takes for "not given".
    assert [(line.get_start_time_stamp(), line.get_end_time_stamp()) for line in responses] == [
        (pytest.approx(0, abs=0.01), pytest.approx(10_000)),
        (10_000, 20_000),
        (30_000, 40_000),
    ]
    tag = "read.ok.response"
    assert merged(tmp_path, tag, since_s=10.0, until_s=40.0).equals(direct([0.2, 0.3, 0.4]))
    assert merged(tmp_path, tag, until_s=20.0).equals(direct([0.1, 0.2, 0.3]))
    assert merged(tmp_path, tag, since_s=20.0, until_s=30.0).get_total_count() == 0


def test_a_dropped_arrival_took_no_time_and_has_none(tmp_path: Path) -> None:
    write(tmp_path, [[ended(outcome=Outcome.DROPPED, lag_s=1.0)]])
    assert lines(tmp_path) == []
    assert merged(tmp_path, "read.dropped.response").get_total_count() == 0


def test_what_was_flushed_is_there_before_the_end(tmp_path: Path) -> None:
    log = HistogramLog(tmp_path)
    log.record(Digest.of([ended(took_s=0.1)]).times)
    log.flush(10.0)
    log.record(Digest.of([ended(took_s=0.2)]).times)
    try:
        assert merged(tmp_path, "read.ok.response").get_total_count() == 1
    finally:
        log.close(20.0)
    assert merged(tmp_path, "read.ok.response").get_total_count() == 2


def test_tags_beyond_the_cap_are_kept_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histograms, "TAGS_MAX", 4)
    log = HistogramLog(tmp_path)
    for n in range(10):
        log.record(Digest.of([ended(operation=f"op_{n}", took_s=0.1)]).times)
    log.close(10.0)
    tags = {line.get_tag() for line in lines(tmp_path)}
    assert tags == {*(f"op_{n}.ok.{kind}" for n in (0, 1) for kind in ("response", "service")),
                    "other.response", "other.service"}  # fmt: skip
    assert merged(tmp_path, "other.response").get_total_count() == 8
