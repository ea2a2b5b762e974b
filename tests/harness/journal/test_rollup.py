"""Roll-ups against the samples they are made of: nothing lost, nothing doubled, series aligned, the file small."""

import itertools
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.journal import Grid, Journal, JournalReader
from harness.journal.rollup import Span, united

GRID = Grid(raw_for_s=4, fine_s=2, fine_for_s=16, coarse_s=8, kept_max_s=24)

numbers = st.floats(-1e9, 1e9)
# How long after the last, its values, and a span to keep from then on, so long before and so long after.
steps = st.tuples(
    st.sampled_from([0.25, 0.5, 1.0, 1.001, 2.0, 30.0]),
    st.dictionaries(st.sampled_from("abc"), numbers),
    st.none() | st.tuples(st.floats(0, 10), st.floats(0, 10)),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(steps, max_size=80))
def test_cells_are_what_their_samples_make_them(
    run: Sequence[tuple[float, dict[str, float], tuple[float, float] | None]],
) -> None:
    t_s, written, kept = 0.0, list[tuple[float, dict[str, float]]](), list[Span]()
    with tempfile.TemporaryDirectory() as folder:
        with Journal(Path(folder), grid=GRID) as journal:
            for later_s, values, span in run:
                t_s += later_s
                journal.write_tick(t_s, values)
                written.append((t_s, values))
                if span and journal.keep(t_s - span[0], t_s + span[1]):
                    kept.append((t_s - span[0], t_s + span[1]))
        with JournalReader(Path(folder)) as reader:
            ticks = reader.ticks().tolist()
            found = {name: reader.buckets(name) for name in reader.series_names()}
    # No tick is lost for good: each has one of its own or one soon after that stands for it.
    assert ticks == sorted(set(ticks) & {t for t, _ in written})
    assert all(any(0 <= tick - t < GRID.coarse_s for tick in ticks) for t, _ in written)
    assert all(t in ticks for t, _ in written if any(from_s <= t <= to_s for from_s, to_s in kept))
    for name, buckets in found.items():
        own = [(t, values[name]) for t, values in written if name in values]
        for at_s, n, low, mean, high, last in zip(*(getattr(buckets, f).tolist() for f in FIGURES), strict=True):
            inside, own = own[:n], own[n:]
            assert inside[-1][0] <= at_s
            assert at_s in ticks
            # All in it are in the same cell, the widest there is.
            assert math.floor(inside[0][0] / GRID.coarse_s) == math.floor(at_s / GRID.coarse_s)
            values_in = [value for _, value in inside]
            assert (low, high, last) == (min(values_in), max(values_in), values_in[-1])
            assert low <= mean <= high
            assert mean == pytest.approx(math.fsum(values_in) / n, rel=1e-9, abs=1e-3)
        assert own == []


FIGURES = ("t_s", "n", "low", "mean", "high", "last")


def write(folder: Path, ticks: Sequence[float], **options: bool) -> None:
    with Journal(folder, grid=GRID, **options) as journal:
        for t_s in ticks:
            journal.write_tick(t_s, {"a": t_s, "b": -t_s})


def widths(folder: Path) -> list[int]:
    """Return in how many ticks each bucket's value is, checking that both series say the same."""
    with JournalReader(folder) as reader:
        a, b = reader.buckets("a"), reader.buckets("b")
    assert np.array_equal(a.t_s, b.t_s)
    assert np.array_equal(a.n, b.n)
    return [int(n) for n in a.n]


def test_each_age_has_its_width(tmp_path: Path) -> None:
    write(tmp_path, range(100))
    # The newest tick is at 99: cells that ended by 95 are fine, those that ended by 83 and are whole, coarse.
    assert widths(tmp_path) == [8] * 10 + [2] * 7 + [1] * 6


def test_what_is_new_is_told_at_every_width(tmp_path: Path) -> None:
    write(tmp_path, range(100))
    with JournalReader(tmp_path) as reader:
        whole = reader.buckets("a")
        for number, since_s in enumerate(whole.t_s, start=1):
            assert np.array_equal(reader.buckets("a", since_s).n, whole.n[number:])
            assert np.array_equal(reader.ticks(since_s), whole.t_s[number:])


def test_fewer_ticks_than_cells_are_left_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, [n * 10.0 for n in range(20)])
    assert widths(tmp_path) == [1] * 20


def test_a_coarse_cell_waits_for_its_fine_ones(tmp_path: Path) -> None:
    with Journal(tmp_path, grid=Grid(raw_for_s=32, fine_s=2, fine_for_s=40, coarse_s=8)) as journal:
        # After the gap everything is old at once, while the fine cells come one a tick.
        for t_s in [*range(40), *range(1000, 1020)]:
            journal.write_tick(t_s, {"a": t_s, "b": -t_s})
    assert widths(tmp_path) == [8] * 5 + [1] * 20


def test_what_is_kept_stays_raw_after_a_crash_too(tmp_path: Path) -> None:
    with Journal(tmp_path, grid=GRID) as journal:
        for n in range(20):
            journal.write_tick(n, {"a": n, "b": -n})
        assert journal.keep(18, 25)  # 16 to 32 on the grid
        assert journal.keep(18.5, 24)  # within it: nothing is added
    write(tmp_path, range(20, 100), resume=True)
    with Journal(tmp_path, resume=True, grid=GRID) as journal:
        assert journal.keep(18, 25)  # long since kept
    assert widths(tmp_path) == [8] * 2 + [1] * 16 + [8] * 6 + [2] * 7 + [1] * 6


def test_what_cannot_be_kept_is_told(tmp_path: Path) -> None:
    with Journal(tmp_path, grid=GRID) as journal:
        for n in range(32):
            journal.write_tick(n, {"a": n, "b": -n})
        assert not journal.keep(0, 8)  # all of it is rolled up
        assert not journal.keep(20, 40)  # up to 26 it is; the rest is kept
        assert journal.keep(40, 44)  # 22 s of 24 are kept now
        assert not journal.keep(64, 72)
    write(tmp_path, range(32, 100), resume=True)
    with JournalReader(tmp_path) as reader:
        told = [(e.kind, e.detail["from_s"], e.detail["to_s"], e.detail["reason"]) for e in reader.events()]
    assert told == [
        ("ticks_not_kept", 0, 8, "rolled up already"),
        ("ticks_not_kept", 20, 40, "rolled up already before 26 s"),
        ("ticks_not_kept", 64, 72, "more than 24 s would be kept"),
    ]
    assert widths(tmp_path) == [8] * 3 + [2] + [1] * 22 + [8] * 4 + [2] * 7 + [1] * 6


def test_the_file_does_not_grow_with_what_has_left_it(tmp_path: Path) -> None:
    pages = []
    with Journal(tmp_path, grid=Grid(raw_for_s=200, fine_s=10, fine_for_s=400, coarse_s=200)) as journal:
        for n in range(3000):
            journal.write_tick(n, {f"s{k}": n + k / 3 for k in range(20)})
            pages.extend(journal._db.execute("PRAGMA page_count").fetchone())
    # From 800 on raw and fine hold as much at any time; the coarse cells of 2200 ticks are 220 rows.
    assert pages[-1] <= 1.1 * pages[800]
    assert pages[199] > 0.5 * pages[800]


def test_infinities_stop_no_recording(tmp_path: Path) -> None:
    with Journal(tmp_path, grid=GRID) as journal:
        for n in range(60):
            journal.write_tick(n, {"a": (-1) ** n * math.inf, "b": 1e308})
    with JournalReader(tmp_path) as reader:
        assert reader.buckets("a").n.sum() == 60
        assert set(reader.series("b")[1]) == {1e308}


@pytest.mark.parametrize(("fine_s", "coarse_s"), [(10, 45), (0, 60), (60, 10)])
def test_cells_must_nest(fine_s: float, coarse_s: float) -> None:
    with pytest.raises(ValueError, match="multiple"):
        Grid(fine_s=fine_s, coarse_s=coarse_s)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)).map(lambda s: (float(s[0]), float(sum(s))))))
def test_united_spans_cover_the_same_time_once(spans: list[Span]) -> None:
    def seconds(of: list[Span]) -> list[int]:
        return [second for from_s, to_s in of for second in range(int(from_s), int(to_s))]

    result = united(spans)
    assert seconds(result) == sorted(set(seconds(spans)))
    assert all(before[1] < after[0] for before, after in itertools.pairwise(result))
