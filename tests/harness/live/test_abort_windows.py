"""One abort over ticks made by hand or drawn: when it ends a run, and that it does not otherwise."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.criteria.aborts import Abort, Ceiling
from harness.criteria.limits import SUMS, Statistic, When
from harness.live.abort_windows import AbortWindows, Counts
from harness.records import Outcome

FDS, CPU = "process.api.fds", "process.api.cpu_s"


def at_most(limit: float, statistic: Statistic = Statistic.MEAN, **changes: Any) -> Abort:
    return abort(statistic=statistic, max=limit, **changes)


def abort(**changes: Any) -> Abort:
    fields: dict[str, Any] = {"series": FDS, "window_s": 3.0, "windows_in_a_row": 2, "when": When.ALL}
    return Ceiling(**(fields | changes))


def ended(abort: Abort, values: Iterable[float | None], *, every_s: float = 1.0) -> tuple[int, str] | None:
    """Return the first tick that ends a run, and why; None is a tick without a sample."""
    windows = AbortWindows(abort)
    for n, value in enumerate(values):
        shown = {} if value is None else {abort.series: value}
        if told := windows.see((n + 1) * every_s, shown, inside=True):
            return n, told
    return None


def test_enough_bad_windows_in_a_row_end_a_run() -> None:
    # The first tick only says where windows begin.
    assert ended(at_most(5), [9.0] * 6) is None
    end = ended(at_most(5), [9.0] * 7)
    told = "mean 9 in the last of 2 windows of 3.0 s in a row until 7.0 s, allowed at most 5"
    assert end == (6, f"{FDS}: {told}")


def test_a_good_window_between_begins_the_row_anew() -> None:
    bad, good = [9.0] * 3, [1.0] * 3
    assert ended(at_most(5), [9.0, *bad, *good, *bad, *good, *bad]) is None
    assert ended(at_most(5), [9.0, *bad, *good, *bad, *bad]) is not None


def test_windows_do_not_overlap_and_share_nothing() -> None:
    # Each window has one high sample; together in one they would be too much.
    assert ended(at_most(5), [1.0, 1.0, 1.0, 12.0, 12.0, 1.0, 1.0] * 9) is None


def test_the_edge_is_within() -> None:
    assert ended(at_most(5), [5.0] * 30) is None
    low = abort(statistic=Statistic.MEAN, min=5)
    assert ended(low, [5.0] * 30) is None
    assert ended(low, [4.9] * 30) is not None


@pytest.mark.parametrize(
    ("statistic", "values", "level"),
    [
        (Statistic.MIN, [1.0, 2.0, 6.0], 1.0),
        (Statistic.MEAN, [1.0, 2.0, 6.0], 3.0),
        (Statistic.MAX, [1.0, 6.0, 2.0], 6.0),
        (Statistic.LAST, [1.0, 6.0, 2.0], 2.0),
        (Statistic.EVERY, [1.0, 6.0, 2.0], 2.0),
        (Statistic.P50, [1.0, 6.0, 2.0], 2.0),
        (Statistic.P95, [1.0, 6.0, 2.0], 6.0),
        (Statistic.P99, [1.0, 6.0, 2.0], 6.0),
        (Statistic.SUM, [1.0, 6.0, 2.0], 9.0),
        (Statistic.SUM_PER_S, [1.0, 6.0, 2.0], 3.0),
        # From 1.0 before the window; the fall is a restart.
        (Statistic.INCREASE, [2.0, 6.0, 3.0], 8.0),
        (Statistic.INCREASE_PER_S, [2.0, 6.0, 3.0], 8.0 / 3),
    ],
)
def test_each_statistic_is_of_one_window(statistic: Statistic, values: list[float], level: float) -> None:
    shown, series = [1.0, *values], "load.get.ok" if statistic in SUMS else FDS
    assert ended(at_most(level + 1e-9, statistic, series=series, windows_in_a_row=1), shown) is None
    assert ended(at_most(level - 1e-9, statistic, series=series, windows_in_a_row=1), shown) is not None


def test_a_series_that_is_sampled_seldom_has_windows_as_long_as_it_takes() -> None:
    shown = [9.0 if n % 10 == 0 else None for n in range(60)]
    end = ended(at_most(5), shown)
    assert end is not None
    assert end[0] == 20
    # A window of no length is a sample.
    end = ended(at_most(5, window_s=0.0, windows_in_a_row=4), shown)
    assert end is not None
    assert (end[0], "in the last of 4 samples in a row" in end[1]) == (40, True)


def test_each_series_is_watched_by_itself() -> None:
    windows = AbortWindows(at_most(5, series="process.*.fds", excepted=("process.auth.*",)))
    for n in range(30):
        # By turns, and together in no window alone.
        values = {"process.api.fds": 9.0 if n % 6 < 3 else 1.0, "process.feed.fds": 1.0 if n % 6 < 3 else 9.0}
        others = {"process.auth.fds": 9.0, "process.api.threads": 9.0}
        assert not windows.see(n + 1.0, values | others, inside=True)


def test_sums_are_of_all_that_is_named() -> None:
    timed_out = at_most(5, Statistic.SUM_PER_S, series="load.*.timed_out")
    ticks: Mapping[str, float] = {"load.get.timed_out": 3.0, "load.put.timed_out": 3.0, "load.put.ok": 9.0}
    windows = AbortWindows(timed_out)
    seen = [windows.see(n + 1.0, ticks, inside=True) for n in range(7)]
    assert timed_out.adds_up
    assert not any(seen[:6])
    assert seen[6].startswith("load.*.timed_out: sum_per_s 6/s in the last of 2 windows")
    one = AbortWindows(timed_out)
    assert not any(one.see(n + 1.0, {"load.get.timed_out": 3.0}, inside=True) for n in range(60))


def test_whether_there_is_such_a_series_is_known_in_every_part() -> None:
    windows = AbortWindows(at_most(5))
    windows.see(1.0, {"process.api.threads": 9.0}, inside=True)
    assert not windows.found
    windows.see(2.0, {FDS: 9.0}, inside=False)
    assert windows.found
    windows.see(3.0, {}, inside=True)
    assert windows.found


def test_outside_its_part_nothing_is_seen_and_what_was_is_forgotten() -> None:
    windows = AbortWindows(at_most(5))
    assert not any(windows.see(n + 1.0, {FDS: 9.0}, inside=n % 7 != 6) for n in range(60))
    assert not any(windows.see(n + 61.0, {FDS: 9.0}, inside=False) for n in range(60))


def test_a_tick_that_comes_a_little_early_ends_its_window() -> None:
    assert ended(at_most(5), [9.0] * 7, every_s=0.9999) is not None
    assert ended(at_most(5), [9.0] * 7, every_s=0.99) is None


def test_counts_that_a_tick_leaves_out_are_none_once_their_operation_is_known() -> None:
    counts = Counts()
    assert counts.whole({"load.all.offered": 3.0}) == {"load.all.offered": 3.0}
    seen = counts.whole({"load.get.ok": 3.0, "load.all.response_s_p95": 0.1})
    assert seen == {f"load.get.{how}": 0.0 for how in Outcome} | {"load.get.ok": 3.0, "load.all.response_s_p95": 0.1}
    assert counts.whole({})["load.get.ok"] == 0.0


def outcomes(values: Iterable[float]) -> Iterable[Mapping[str, float]]:
    return [{"load.get.ok": value} if value else {"load.put.ok": 1.0} for value in values]


def test_a_service_that_answers_nothing_any_more_is_seen() -> None:
    """No count is written where there was nothing to count."""
    counts = Counts()
    windows = AbortWindows(abort(series="load.get.ok", statistic=Statistic.SUM, min=1))
    seen = [
        bool(windows.see(n + 1.0, counts.whole(tick), inside=True))
        for n, tick in enumerate(outcomes([5] * 7 + [0] * 9))
    ]
    assert seen == [False] * 12 + [True] + [False] * 2 + [True]


levels = st.lists(st.floats(0, 10) | st.none(), max_size=120)
widths = st.sampled_from([0.0, 1.0, 2.5, 10.0])
# Those that say of a window no more than a sample in it does.
within = st.sampled_from([s for s in Statistic if "sum" not in s and "increase" not in s])


@given(levels, widths, st.integers(1, 4), within, st.booleans())
def test_what_stays_within_its_limits_never_ends_a_run(
    values: list[float | None],
    width_s: float,
    in_a_row: int,
    statistic: Statistic,
    below: bool,  # noqa: FBT001 - drawn
) -> None:
    allowed = {"max": 10.0} if below else {"min": 0.0}
    one = abort(statistic=statistic, window_s=width_s, windows_in_a_row=in_a_row, **allowed)
    assert ended(one, values) is None


@given(levels, st.integers(1, 10), st.integers(1, 4), within)
def test_enough_windows_beyond_the_limit_always_end_a_run(
    before: list[float | None], width_s: int, in_a_row: int, statistic: Statistic
) -> None:
    one = at_most(10.0, statistic, window_s=width_s, windows_in_a_row=in_a_row)
    # The window in hand may have good samples in it: after it so many are bad, whole and in a row.
    end = ended(one, [*before, *[11.0] * (1 + width_s * (in_a_row + 1))])
    assert end is not None
    assert end[0] >= len(before)


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 4))
def test_a_run_ends_with_the_first_row_of_bad_windows(bad: list[bool], in_a_row: int) -> None:
    shown = [0.0, *(value for window in bad for value in [9.0 if window else 1.0] * 3)]
    end = ended(at_most(5, windows_in_a_row=in_a_row), shown)
    rows = [n for n in range(len(bad)) if n + 1 >= in_a_row and all(bad[n + 1 - in_a_row : n + 1])]
    assert (end[0] if end else None) == (3 + 3 * rows[0] if rows else None)


@given(st.lists(st.floats(0, 0.9), min_size=5, max_size=60), st.integers(1, 59))
def test_a_total_is_held_by_its_rate_whatever_it_began_with_and_however_often_anew(
    rises: list[float], restart: int
) -> None:
    total = np.cumsum(rises)
    total[restart:] -= total[min(restart, len(total) - 1)] - rises[min(restart, len(total) - 1)]
    abort = at_most(0.9, Statistic.INCREASE_PER_S, series=CPU, windows_in_a_row=1)
    assert ended(abort, (1000 + total[:restart]).tolist() + total[restart:].tolist()) is None
