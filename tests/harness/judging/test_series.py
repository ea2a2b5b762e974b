import math
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.journal import Grid, Journal, JournalReader
from harness.judging.series import GaugeName, RunSeries
from harness.records import Outcome
from tests.harness.runs import PER_TICK, healthy, write_run


def test_counts_are_by_operation_and_outcome(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return healthy(n) | ({"load.cache_get.reset": 7, "load.ledger_write.dropped": 3} if n == 4 else {})

    series = write_run(tmp_path, tick, 6)
    assert series.t_s.tolist() == [1, 2, 3, 4, 5, 6]
    assert series.count(Outcome.OK, operation="cache_get").tolist() == [PER_TICK] * 6
    assert series.count(Outcome.RESET).tolist() == [0, 0, 0, 0, 7, 0]
    assert series.count(Outcome.DROPPED).tolist() == [0, 0, 0, 0, 3, 0]
    assert series.count().tolist() == [2 * PER_TICK + (7 if n == 4 else 0) for n in range(6)]
    assert series.count(operation="no such").tolist() == [0] * 6


def test_what_a_caller_gave_up_was_sent_and_is_neither_good_nor_bad(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return healthy(n) | {"load.cache_get.cancelled": 5, "load.cache_get.dropped": 3, "load.cache_get.reset": 2}

    series = write_run(tmp_path, tick, 2)
    assert series.count().tolist() == [2 * PER_TICK + 2] * 2
    assert series.sent().tolist() == [2 * PER_TICK + 7] * 2
    assert [(window.replies, window.good) for window in series.windows()] == [(2 * PER_TICK + 2, 2 * PER_TICK)] * 2


def test_windows_are_the_ticks_and_one_without_a_reply_has_no_latency(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return {"generator.rss_bytes": 1.0} if n == 1 else healthy(n) | {"load.cache_get.timed_out": 5}

    first, silent, last = write_run(tmp_path, tick, 3).windows()
    assert (first.begin_s, first.end_s, first.replies, first.good) == (0, 1, 2 * PER_TICK + 5, 2 * PER_TICK)
    assert (silent.begin_s, silent.end_s, silent.replies, silent.good, silent.latency_s) == (1, 2, 0, 0, None)
    assert last.begin_s == 2
    assert last.latency_s is not None


def test_memory_is_each_services_and_missing_where_it_was_not_seen(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return healthy(n) | ({"container.redis.memory_bytes": 5e6, "container.redis.pids": 4} if n else {})

    series = write_run(tmp_path, tick, 3)
    assert set(series.memory) == {"api", "redis"}
    assert math.isnan(series.memory["redis"].low[0])
    assert series.memory["redis"].low[1:].tolist() == [5e6, 5e6]
    assert series.processes["redis"].last[1:].tolist() == [4, 4]


def test_a_probe_that_looks_seldom_marks_the_ticks_in_which_it_did(tmp_path: Path) -> None:
    def tick(n: int) -> dict[str, float]:
        return healthy(n) | ({"sampler.all.pass_s": 0.01, "witness.redis.clients": 3} if n % 2 else {})

    series = write_run(tmp_path, tick, 4)
    assert series.sampled.tolist() == [False, True, False, True]
    assert np.isnan(series.gauges[GaugeName("witness", "redis", "clients")].high).tolist() == [True, False, True, False]


def test_what_is_older_counts_as_much_and_keeps_its_extremes(tmp_path: Path) -> None:
    """Cells of ten ticks: a count is their sum, a gauge its lowest, its highest and its last."""
    with Journal(tmp_path, grid=Grid(raw_for_s=10, fine_s=10, fine_for_s=1e9, coarse_s=60)) as journal:
        for n in range(40):
            journal.write_tick(n + 0.5, healthy(n) | {"process.api.rss_bytes": 1000.0 + n})
    with JournalReader(tmp_path) as reader:
        series = RunSeries.read(reader)
    assert 13 <= len(series.t_s) < 40
    assert series.count(Outcome.OK).sum() == 40 * 2 * PER_TICK
    memory = series.memory["api"]
    assert (memory.low[0], memory.high[0], memory.last[0]) == (1000, 1009, 1009)
    assert memory.low[-1] == memory.high[-1] == 1039


def test_a_run_that_never_ticked_is_empty_not_an_error(tmp_path: Path) -> None:
    Journal(tmp_path).close()
    with JournalReader(tmp_path) as journal:
        series = RunSeries.read(journal)
    assert series.windows() == []
    assert series.outside([(0, 1)], since_s=0, until_s=9).shape == (0,)
    assert series.count().shape == (0,)


times = st.floats(0, 40).map(lambda t: round(t, 1))


@given(spans=st.lists(st.tuples(times, times).map(sorted), max_size=4), since_s=times, until_s=times)
def test_a_tick_is_outside_when_no_moment_of_it_is_inside(
    spans: list[list[float]], since_s: float, until_s: float
) -> None:
    t_s = np.cumsum([1, 0.5, 2, 1, 1, 3, 0.2, 0.8, 10, 10])
    nothing = np.zeros_like(t_s)
    series = RunSeries(t_s, {}, nothing, nothing)
    expected = []
    for begin, end in zip([0.0, *t_s[:-1]], t_s, strict=True):
        within = begin >= since_s and end <= until_s
        expected.append(
            within and not any(max(begin, low) < min(end, high) or end > low == high > begin for low, high in spans)
        )
    assert series.outside([(a, b) for a, b in spans], since_s=since_s, until_s=until_s).tolist() == expected
