"""A series in one part of a run: on that part's own clock, and counted against the samples there should be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.criteria.limits import When
from harness.journal import Buckets
from harness.judging.checks.sampled import part_of, series_names
from tests.harness.judging.checks.source import PATIENT, TICKS, Source, rolled, ticks

FDS = "process.api.fds"
NAN = float("nan")
CLIMB = [float(n) for n in range(1, 101)]


def test_a_part_has_a_clock_of_its_own() -> None:
    part = part_of(Source({FDS: ticks(CLIMB)}, disturbed=[(20, 50), (70, 80)]), FDS, When.CALM)
    assert (part.expected, part.every_s, part.lasted_s, part.present) == (60, 1.0, 60.0, 1.0)
    assert part.at_s.tolist() == [float(n) for n in range(1, 61)]
    assert part.buckets.t_s.tolist() == [*range(1, 21), *range(51, 71), *range(81, 101)]
    # Each rose by one a second, whatever happened between.
    assert (part.gained.sum(), part.took_s.sum()) == (59.0, 59.0)


@PATIENT
@given(st.lists(st.booleans(), min_size=60, max_size=60).filter(any), st.sampled_from([1, 5, 10]))
def test_windows_share_a_part_out(calm: list[bool], window: int) -> None:
    spans = [(float(n), n + 1.0) for n, quiet in enumerate(calm) if not quiet]
    part = part_of(Source({FDS: ticks(CLIMB[:60])}, disturbed=spans), FDS, When.CALM)
    assert part.expected == sum(calm)
    pieces = [part.between(n * window, (n + 1) * window) for n in range(60 // window)]
    assert np.concatenate([piece.buckets.t_s for piece in pieces]).tolist() == part.buckets.t_s.tolist()
    assert [len(piece.buckets.t_s) for piece in pieces] == [
        min(max(sum(calm) - n * window, 0), window) for n in range(60 // window)
    ]


@pytest.mark.parametrize("width", [1, 7, 60])
def test_a_gap_in_the_run_itself_is_missing_in_no_series(width: int) -> None:
    alive = [1.0] * 60 + [NAN] * 600 + [1.0] * 60
    source = Source({FDS: rolled(alive, width)}, ticks_at=rolled(alive, width))
    part = part_of(source, FDS, When.ALL)
    assert (part.expected, part.present, part.every_s) == (120, 1.0, 1.0)
    assert part.took_s.sum() <= part.lasted_s


def test_seconds_are_counted_where_ticks_are_longer() -> None:
    slow = Buckets(
        ticks(CLIMB).t_s * 5, *(getattr(ticks(CLIMB), part) for part in ("n", "low", "mean", "high", "last"))
    )
    part = part_of(Source({FDS: slow}, ticks_at=slow, disturbed=[(50, 100)]), FDS, When.CALM)
    assert (part.every_s, part.expected, part.lasted_s, part.present) == (5.0, 90, 450.0, 1.0)
    assert (part.gained.sum(), part.took_s.sum()) == (89.0, 445.0)
    window = part.between(50, 100)
    assert (window.expected, window.lasted_s, window.buckets.t_s.tolist()) == (10, 50.0, [*range(105, 151, 5)])


def test_the_load_tells_every_tick_whatever_the_probes_do() -> None:
    looks = ticks([0.01 if n % 3 == 2 else NAN for n in range(99)])
    source = Source({"sampler.all.pass_s": looks, FDS: looks, "load.all.response_s_p95": ticks(CLIMB[:99])})
    for name, expected in ((FDS, 33), ("sampler.all.pass_s", 33), ("load.all.response_s_p95", 99)):
        part = part_of(source, name, When.ALL)
        assert (part.expected, part.present, part.lasted_s) == (expected, 1.0, 99.0)


def test_what_is_missing_is_counted_by_samples_not_by_buckets() -> None:
    values = [NAN if n % 2 else 1.0 for n in range(120)]
    part = part_of(Source({FDS: rolled(values, 60)}, ticks_at=rolled([1.0] * 120, 60)), FDS, When.ALL)
    assert (part.expected, part.present) == (120, 0.5)


def test_a_series_of_no_samples_and_a_run_of_no_ticks_are_empty_parts() -> None:
    part = part_of(Source({FDS: ticks(CLIMB)}), "process.api.threads", When.ALL)
    assert (len(part.buckets.t_s), part.expected, part.present) == (0, 100, 0.0)
    for name in (FDS, "load.pay.ok"):
        part = part_of(Source({name: ticks(CLIMB), TICKS: ticks([])}), name, When.ALL)
        assert (part.expected, part.present, part.lasted_s) == (0, 0.0, 0.0)


def test_what_never_happened_has_a_name() -> None:
    names = series_names(Source({"load.pay.ok": ticks([1.0]), "load.all.response_s_p95": ticks([1.0])}))
    assert "load.pay.timed_out" in names
    assert "load.all.timed_out" not in names
    assert names == sorted(set(names))


@PATIENT
@given(st.lists(st.sampled_from([0.0, 1.0, 5.0]), min_size=20, max_size=60), st.integers(1, 9))
def test_a_count_is_filled_up_alike_in_ticks_and_cells(values: list[float], width: int) -> None:
    sparse = [value or NAN for value in values]
    for ticks_at, own in (
        (ticks([1.0] * len(values)), ticks(sparse)),
        (rolled([1.0] * len(values), width), rolled(sparse, width)),
    ):
        part = part_of(Source({"load.pay.ok": own}, ticks_at=ticks_at), "load.pay.ok", When.ALL)
        assert part.present == 1.0
        assert part.buckets.mean @ part.buckets.n == pytest.approx(sum(values))
        assert (part.buckets.low.min(), part.buckets.high.max()) == (min(values), max(values))


@PATIENT
@given(st.lists(st.integers(0, 9), min_size=2, max_size=50), st.sets(st.integers(1, 48)))
def test_a_total_gains_what_was_counted_whatever_restarts_there_were(counts: list[int], restarts: set[int]) -> None:
    total, totals = 0.0, []
    for n, count in enumerate(counts):
        # What a restart forgets must be seen to be less, or nobody could tell.
        total = (0.0 if n in restarts and total > count else total) + count
        totals.append(total)
    part = part_of(Source({FDS: ticks(totals)}), FDS, When.ALL)
    assert part.gained.sum() == sum(counts[1:])


def test_buckets_are_the_journals_own() -> None:
    assert isinstance(part_of(Source({FDS: ticks(CLIMB)}), FDS, When.ALL).buckets, Buckets)
