"""The stretch of a gauge that may be judged as one, and logs without their rotations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.segments import longest_stretch, without_rotations

T_S = np.arange(1.0, 101.0)
MOMENTS = st.lists(st.floats(-10, 130), max_size=6)


def judged(*restarts_s: float, warm_up_s: float = 0.0) -> tuple[float, float]:
    kept = T_S[longest_stretch(T_S, restarts_s=restarts_s, warm_up_s=warm_up_s)]
    return float(kept[0]), float(kept[-1])


def test_what_nothing_broke_is_one_stretch() -> None:
    assert judged() == (1, 100)
    assert longest_stretch(np.empty(0)) == slice(0, 0)


@pytest.mark.parametrize(
    ("restarts_s", "stretch"),
    [
        ([30.5], (31, 100)),
        ([70.5], (1, 70)),
        # A sample taken at the restart is the new process's.
        ([70.0], (1, 69)),
        ([60.5, 20.5], (61, 100)),
        ([20.5, 55.5, 56.0, 56.2], (57, 100)),
        ([-5.0, 200.0], (1, 100)),
        ([50.5], (51, 100)),
    ],
)
def test_a_restart_ends_a_stretch(restarts_s: list[float], stretch: tuple[float, float]) -> None:
    assert judged(*restarts_s) == stretch


def test_a_new_process_warms_up_again() -> None:
    assert judged(30.5, warm_up_s=10) == (41, 100)
    # Which may leave the old one the longer.
    assert judged(45.5, warm_up_s=20) == (1, 45)
    assert longest_stretch(T_S, restarts_s=[0.5], warm_up_s=1e3) == slice(0, 0)


def test_a_gap_does_not_end_a_warm_up() -> None:
    t_s = np.concatenate([np.arange(0.0, 10), np.arange(30.0, 100)])
    kept = t_s[longest_stretch(t_s, restarts_s=[8.5], gap_s=5, warm_up_s=40)]
    assert (kept[0], kept[-1]) == (49, 99)


def test_a_gap_ends_a_stretch_but_not_the_step_of_older_cells() -> None:
    t_s = np.concatenate([np.arange(60.0, 3601, 60), np.arange(3601.0, 3700), np.arange(5000.0, 5100)])
    kept = t_s[longest_stretch(t_s, gap_s=60.0)]
    assert (kept[0], kept[-1]) == (60, 3699)
    assert longest_stretch(t_s, gap_s=30.0) == slice(len(t_s) - 100, len(t_s))


@given(restarts_s=MOMENTS, gone=st.lists(st.integers(0, 99), max_size=40), warm_up_s=st.floats(0, 30))
def test_a_stretch_is_whole_and_none_is_longer(restarts_s: list[float], gone: list[int], warm_up_s: float) -> None:
    t_s = np.delete(T_S, gone)
    stretch = longest_stretch(t_s, restarts_s=restarts_s, gap_s=1.0, warm_up_s=warm_up_s)
    kept = t_s[stretch]

    def whole(t_s: np.ndarray) -> bool:
        restarted = any(t_s[0] < at_s <= t_s[-1] for at_s in restarts_s)
        warming = any(at_s <= t_s[0] < at_s + warm_up_s for at_s in restarts_s)
        return not restarted and not warming and bool(np.all(np.diff(t_s) <= 1.0))

    longest_s = kept[-1] - kept[0] if len(kept) else -1.0
    assert len(kept) == 0 or whole(kept)
    # One sample more at either end breaks it, and no other stretch of a second more is whole.
    for begin in range(len(t_s)):
        end = int(np.searchsorted(t_s, t_s[begin] + longest_s + 1))
        if end < len(t_s):
            assert not whole(t_s[begin : end + 1])


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_a_log_without_its_rotations_never_falls_and_grows_as_it_did(sizes: list[float]) -> None:
    y = np.array(sizes)
    whole = without_rotations(y)
    assert whole[0] == y[0]
    assert np.diff(whole) == pytest.approx(np.maximum(np.diff(y), 0), abs=1e-6)


def test_a_rotated_log_is_as_long_as_it_was_written() -> None:
    written = np.arange(0.0, 1000, 10)
    # 300 bytes are cut off each time, and each cut costs the step it fell in.
    assert without_rotations(written % 300)[-1] == pytest.approx(written[-1] - 3 * 10)
    assert len(without_rotations(np.empty(0))) == 0
