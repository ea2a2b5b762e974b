from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.recovery import (
    GOOD_MIN,
    GOOD_OF,
    Band,
    Parts,
    Recovery,
    ReplyWindow,
    answers_text,
    healthy_band,
    later,
    part_text,
    recovery,
    settled,
)

BAND = Band(good_fraction=0.95, latency_s=0.1)
GOOD, BAD, SLOW, SILENT = (100, 100, 0.05), (100, 90, 0.05), (100, 100, 0.5), (0, 0, None)


def windows(kinds: Sequence[tuple[int, int, float | None]], begin_s: float = 0.0) -> list[ReplyWindow]:
    """Return windows of one second."""
    return [ReplyWindow(begin_s + n, begin_s + n + 1, *kind) for n, kind in enumerate(kinds)]


def told(pattern: str, healed_at_s: float = 0.0) -> Recovery:
    """Return the recovery of a pattern such as `..xx....`: a window a letter, x bad."""
    kinds = {".": GOOD, "x": BAD, "s": SLOW, "o": SILENT}
    return recovery(windows([kinds[letter] for letter in pattern]), BAND, healed_at_s=healed_at_s)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("..........", Recovery(0, 1, 10)),
        ("xxx..........", Recovery(3, 4, 13)),
        ("xso..........", Recovery(3, 4, 13)),
        # One bad window in ten is noise; it is not what recovery is dated from.
        ("xx....x.....", Recovery(2, 3, 12)),
        # Two are not: the first good window was a flap.
        ("xx..x..x..........", Recovery(5, 6, 18)),
        ("xx.xx.xx..........", Recovery(8, 9, 18)),
        # Too few windows to tell, and where they began.
        ("", Recovery(0, None, 0)),
        (".........", Recovery(0, None, 9)),
        ("xxx.........", Recovery(3, None, 12)),
        ("xxx...x.....", Recovery(3, None, 12)),
        ("xxxxxxxxxxxx", Recovery(12, None, 12)),
        (".........x", Recovery(0, 1, 10)),
        (".x.x.x.x.x.xx", Recovery(13, None, 13)),
    ],
)
def test_recovery_is_dated_from_the_start_of_a_lasting_good_stretch(pattern: str, expected: Recovery) -> None:
    assert told(pattern) == expected


def test_windows_before_the_heal_do_not_count_and_the_one_that_holds_it_does() -> None:
    assert told("xxxxx..........", healed_at_s=3.5) == Recovery(1.5, 2.5, 11.5)
    assert told("...............", healed_at_s=3.5) == Recovery(0, 0.5, 11.5)


figures = st.tuples(st.integers(0, 50), st.integers(0, 50), st.floats(0, 1)).map(
    lambda f: (max(f[:2]), min(f[:2]), f[2] if max(f[:2]) else None)
)
sequences = st.lists(st.sampled_from([GOOD, GOOD, GOOD, BAD, SLOW, SILENT]) | figures, max_size=40)
bands = st.builds(Band, st.floats(0, 1), st.floats(0, 1))
heals = st.floats(0, 20)


@given(kinds=sequences, band=bands, healed_at_s=heals)
def test_recovery_never_comes_before_the_last_bad_window(
    kinds: list[tuple[int, int, float | None]], band: Band, healed_at_s: float
) -> None:
    all_of_it = windows(kinds)
    seen = recovery(all_of_it, band, healed_at_s=healed_at_s)
    assert 0 <= seen.last_bad_s <= seen.observed_s
    after = [w for w in all_of_it if w.end_s > healed_at_s]
    if seen.last_bad_s:
        (last_bad,) = [w for w in after if w.end_s - healed_at_s == seen.last_bad_s]
        assert not band.holds(last_bad)
    stretch = [w for w in after if w.end_s - healed_at_s > seen.last_bad_s][:GOOD_OF]
    assert not stretch or band.holds(stretch[0])
    if seen.recovery_s is None:
        assert len(stretch) < GOOD_OF
    else:
        assert seen.last_bad_s < seen.recovery_s == stretch[0].end_s - healed_at_s
        assert sum(band.holds(w) for w in stretch) >= GOOD_MIN


@given(kinds=sequences, band=bands, looser=st.tuples(st.floats(0, 1), st.floats(0, 1)), healed_at_s=heals)
def test_a_stricter_band_never_recovers_sooner(
    kinds: list[tuple[int, int, float | None]], band: Band, looser: tuple[float, float], healed_at_s: float
) -> None:
    loose = Band(band.good_fraction * looser[0], band.latency_s + looser[1])
    strict_s = recovery(windows(kinds), band, healed_at_s=healed_at_s).recovery_s
    loose_s = recovery(windows(kinds), loose, healed_at_s=healed_at_s).recovery_s
    if strict_s is not None:
        assert loose_s is not None
        assert loose_s <= strict_s


@given(kinds=sequences, more=sequences, healed_at_s=heals)
def test_what_comes_later_does_not_change_a_recovery_that_was_seen(
    kinds: list[tuple[int, int, float | None]], more: list[tuple[int, int, float | None]], healed_at_s: float
) -> None:
    seen = recovery(windows(kinds), BAND, healed_at_s=healed_at_s)
    longer = recovery(windows([*kinds, *more]), BAND, healed_at_s=healed_at_s)
    if seen.recovery_s is not None:
        assert longer.recovery_s == seen.recovery_s
    assert longer.last_bad_s >= seen.last_bad_s


@given(st.lists(st.sampled_from([BAD, SLOW, SILENT]), max_size=40))
def test_what_never_was_good_is_censored_at_the_end(kinds: list[tuple[int, int, float | None]]) -> None:
    assert recovery(windows(kinds), BAND, healed_at_s=0.0) == Recovery(len(kinds), None, len(kinds))


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=40))
def test_a_healthy_run_is_mostly_within_its_own_band(latencies_s: list[float]) -> None:
    baseline = windows([(100, 100, latency_s) for latency_s in latencies_s])
    band = healthy_band(baseline)
    assert sum(band.holds(w) for w in baseline) >= len(baseline) / 2


def edges(baseline: Sequence[tuple[int, int, float | None]]) -> tuple[float, float]:
    band = healthy_band(windows(baseline))
    return band.good_fraction, band.latency_s


def test_the_band_is_as_wide_as_the_noise_or_a_fifth_or_a_machines_own_delays() -> None:
    assert edges([(100, 100, 0.01)] * 5) == pytest.approx((0.95, 0.06))
    assert edges([(100, 100, 1.0)] * 5) == pytest.approx((0.95, 1.2))
    noisy = [(100, 80, latency_s) for latency_s in (0.8, 0.9, 1.0, 1.1, 1.2)]
    assert edges(noisy) == pytest.approx((0.76, 1.0 + 3 * 1.4826 * 0.1))


def test_windows_without_replies_are_no_baseline() -> None:
    with pytest.raises(ValueError, match="no baseline"):
        healthy_band(windows([SILENT] * 60))
    assert healthy_band(windows([SILENT, GOOD])) == healthy_band(windows([GOOD]))


def test_a_window_with_few_of_the_usual_replies_is_not_one_of_a_healthy_system() -> None:
    band = healthy_band(windows([GOOD] * 60))
    assert band.holds(ReplyWindow(0, 1, 25, 25, 0.05))
    assert not band.holds(ReplyWindow(0, 1, 24, 24, 0.05))
    # Replies count by the second: a shorter window has fewer, a longer one needs more.
    assert band.holds(ReplyWindow(0, 0.5, 13, 13, 0.05))
    assert not band.holds(ReplyWindow(0, 2, 49, 49, 0.05))


def test_a_window_whose_gauges_have_not_settled_is_bad() -> None:
    unsettled = [
        ReplyWindow(w.begin_s, w.end_s, w.replies, w.good, w.latency_s, settled=w.end_s > 5)
        for w in windows([GOOD] * 15)
    ]
    assert recovery(unsettled, BAND, healed_at_s=0.0) == Recovery(5, 6, 15)


def test_a_short_baseline_says_so() -> None:
    assert healthy_band(windows([GOOD] * 60)).doubt == ""
    assert healthy_band(windows([GOOD] * 20)).doubt == "baseline is only 20 s (60 s recommended)"


def test_a_gauge_has_settled_when_it_is_no_higher_than_it_was() -> None:
    gauge = np.array([2.0, 2.0, 3.0, 2.0, 9.0, 4.1, 4.0, 1.0, np.nan, np.inf])
    before = np.arange(10) < 4
    expected = [True, True, True, True, False, False, True, True, False, False]
    assert settled(gauge, before, slack=2.0).tolist() == expected
    assert settled(gauge, np.zeros(10, dtype=np.bool_), slack=2.0).all()
    assert not settled(gauge, before, slack=0.0)[6]


def test_a_gauge_may_be_asked_to_be_nearer_than_a_fifth() -> None:
    gauge, before = np.array([100.0, 100.0, 100.0, 119.0, 105.0, 104.0]), np.arange(6) < 3
    assert settled(gauge, before, slack=4.0)[3]
    assert settled(gauge, before, slack=4.0, share=0.0).tolist() == [True, True, True, False, False, True]
    # Turned round, it asks for no fewer than half.
    assert settled(-np.array([100.0, 51.0, 49.0]), np.arange(3) < 1, slack=4.0, share=0.5).tolist() == [
        True,
        True,
        False,
    ]


def interval(last_bad_s: float, more_s: float | None, rest_s: float) -> Recovery:
    ended_s = None if more_s is None else last_bad_s + more_s
    return Recovery(last_bad_s, ended_s, (ended_s or last_bad_s) + rest_s)


intervals = st.builds(interval, st.floats(0, 50), st.none() | st.floats(0, 5), st.floats(0, 50))


@given(st.lists(intervals, min_size=1, max_size=5))
def test_what_is_over_when_all_of_it_is_is_as_long_as_the_longest(parts: list[Recovery]) -> None:
    whole = later(parts)
    assert whole.last_bad_s == max(part.last_bad_s for part in parts)
    if any(part.recovery_s is None for part in parts):
        assert whole.recovery_s is None
    else:
        assert whole.recovery_s == max(part.recovery_s or 0.0 for part in parts)
        assert whole.recovery_s >= whole.last_bad_s


@given(latency=intervals, lasting=st.none() | intervals, amid=st.sampled_from([(), ("down api_redis",)]))
def test_what_the_canary_saw_never_makes_a_recovery_shorter(
    latency: Recovery, lasting: Recovery | None, amid: tuple[str, ...]
) -> None:
    whole = Parts(latency, lasting, lasting, amid=amid).whole
    if lasting is None or amid:
        assert whole == latency
    else:
        assert whole == later([lasting, latency])
    if whole.recovery_s is not None:
        assert latency.recovery_s is not None
        assert latency.recovery_s <= whole.recovery_s


def test_the_resource_that_is_back_last_is_named() -> None:
    back = {"pool": Recovery(1, 2, 9), "fds": Recovery(4, 5, 9), "memory": Recovery(3, None, 9)}
    parts = Parts(Recovery(0, 1, 9), resources=back)
    assert (parts.slowest, parts.back) == ("memory", Recovery(4, None, 9))
    parts = Parts(Recovery(0, 1, 9), resources={name: back[name] for name in ("pool", "fds")})
    assert (parts.slowest, parts.back) == ("fds", Recovery(4, 5, 9))
    assert (Parts(Recovery(0, 1, 9)).slowest, Parts(Recovery(0, 1, 9)).back) == ("", None)


def test_parts_in_words() -> None:
    first, lasting = Recovery(0.29, 0.31, 9), Recovery(8.5, None, 9)
    assert answers_text(first, lasting, interrupted=True) == ["first success 310 ms", "lasting > 8.5 s"]
    assert answers_text(Recovery(0, 0, 9), Recovery(0, 0, 9), interrupted=False) == ["never interrupted"]
    assert part_text("latency", Recovery(3, 4.2, 9)) == "latency 4.2 s"
