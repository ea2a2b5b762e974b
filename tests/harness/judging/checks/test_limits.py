"""A limit is broken by what breaks it, kept by what keeps it, and undecided by what was not seen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.criteria.limits import read_limits
from harness.journal import Buckets, Journal, JournalReader
from harness.judging.checks.limits import check_limits
from harness.verdict import Finding
from tests.harness.judging.checks.source import PATIENT, Source, rolled, ticks

FDS, LATENCY, OK = "process.api.fds", "load.all.response_s_p95", "load.pay.ok"
NAN = float("nan")


def judged(source: Source, limit: dict[str, Any], series: str = FDS) -> list[Finding]:
    return check_limits(source, read_limits({series: limit})[series])


def verdict(values: Sequence[float], limit: dict[str, Any], series: str = FDS, **source: Any) -> str:
    (finding,) = judged(Source({series: ticks(values)}, **source), limit, series)
    return str(finding.verdict)


CLIMB = [float(n) for n in range(1, 101)]


@pytest.mark.parametrize(
    ("limit", "kept", "broken"),
    [
        ("max", {"max": 100}, {"max": 99}),
        ("min", {"min": 1}, {"min": 2}),
        ("min of max and min", {"max": 100, "min": 1}, {"max": 100, "min": 2}),
        ("the lowest", {"max": 1, "statistic": "min"}, {"min": 2, "statistic": "min"}),
        ("the highest", {"min": 100, "statistic": "max"}, {"min": 101, "statistic": "max"}),
        ("mean", {"max": 50.5, "statistic": "mean"}, {"max": 50.4, "statistic": "mean"}),
        ("last", {"max": 100, "min": 100, "statistic": "last"}, {"max": 99, "statistic": "last"}),
        ("p50", {"max": 50, "min": 50, "statistic": "p50"}, {"max": 49, "statistic": "p50"}),
        ("p95", {"max": 95, "min": 95, "statistic": "p95"}, {"max": 94, "statistic": "p95"}),
        ("p99", {"max": 99, "min": 99, "statistic": "p99"}, {"max": 98, "statistic": "p99"}),
        ("increase", {"max": 99, "min": 99, "statistic": "increase"}, {"max": 98, "statistic": "increase"}),
        ("per s", {"max": 1, "min": 1, "statistic": "increase_per_s"}, {"max": 0.99, "statistic": "increase_per_s"}),
        ("windows", {"max": 90, "window_s": 10, "bad_windows": 1}, {"max": 90, "window_s": 10}),
        ("request", {"growth_per_request": 0.02, "wander": 0}, {"growth_per_request": 0.005, "wander": 0}),
        ("hour", {"growth_per_h": 7200, "wander": 0}, {"growth_per_h": 1800, "wander": 0}),
    ],
)
def test_every_kind_of_limit_is_kept_and_broken(limit: str, kept: dict[str, Any], broken: dict[str, Any]) -> None:
    assert limit
    assert verdict(CLIMB, kept) == "PASS"
    assert verdict(CLIMB, broken) == "FAIL"


@pytest.mark.parametrize(
    ("kept", "broken"),
    [
        ({"max": 5050, "min": 5050, "statistic": "sum"}, {"max": 5049, "statistic": "sum"}),
        ({"max": 50.5, "min": 50.5, "statistic": "sum_per_s"}, {"min": 50.6, "statistic": "sum_per_s"}),
    ],
)
def test_sums_are_of_what_is_counted_by_tick(kept: dict[str, Any], broken: dict[str, Any]) -> None:
    assert verdict(CLIMB, kept, OK) == "PASS"
    assert verdict(CLIMB, broken, OK) == "FAIL"


def test_a_finding_has_its_numbers_and_its_worst_moment() -> None:
    values = [0.2] * 50 + [0.45] + [0.2] * 49
    (finding,) = judged(Source({LATENCY: ticks(values)}), {"max": "300 ms"}, LATENCY)
    assert (finding.check, finding.where, finding.allowed) == ("limits", LATENCY, "at most 300 ms")
    assert dict(finding.figures) == {"observed": 0.45, "allowed": 0.3, "worst_s": 51.0}
    limit = {"max": "300 ms", "statistic": "mean", "window_s": 10, "when": "all"}
    (finding,) = judged(Source({LATENCY: ticks(values)}), limit, LATENCY)
    assert finding.figures["worst"] == pytest.approx(0.225)
    assert {k: finding.figures[k] for k in ("observed", "allowed", "windows")} == {
        "observed": 0,
        "allowed": 0,
        "windows": 10,
    }


def test_growth_has_its_interval_and_what_this_run_could_have_shown() -> None:
    (finding,) = judged(Source({FDS: ticks(CLIMB)}), {"growth_per_request": 0.005})
    assert finding.where == FDS
    assert finding.allowed == "5 per 1000 requests"
    assert finding.figures["observed"] == pytest.approx(0.01)
    assert finding.figures["detectable"] == pytest.approx(2.5 * float(finding.figures["half_width"]))


@pytest.mark.parametrize(("when", "told"), [("calm", "PASS"), ("all", "FAIL")])
def test_what_faults_do_counts_only_when_asked_for(when: str, told: str) -> None:
    values = [10.0] * 40 + [90.0] * 20 + [10.0] * 40
    for limit in ({"max": 20}, {"max": 20, "window_s": 5}, {"max": 11, "statistic": "mean"}):
        assert verdict(values, {**limit, "when": when}, disturbed=[(40, 60)]) == told


def test_what_a_running_total_gains_in_a_fault_is_not_of_the_calm() -> None:
    slow_then_fast = np.cumsum([1.0] * 40 + [50.0] * 20 + [1.0] * 40).tolist()
    limit = {"max": 80, "statistic": "increase"}
    assert verdict(slow_then_fast, limit, disturbed=[(40, 60)]) == "PASS"
    assert verdict(slow_then_fast, {**limit, "when": "all"}, disturbed=[(40, 60)]) == "FAIL"
    # Nor where it was not sampled meanwhile.
    unseen = slow_then_fast[:40] + [NAN] * 20 + slow_then_fast[60:]
    assert verdict(unseen, limit, disturbed=[(40, 60)]) == "PASS"


def test_a_total_that_began_anew_has_gone_on() -> None:
    values = [float(n) for n in range(1, 51)] + [float(n) for n in range(1, 51)]
    assert verdict(values, {"max": 99, "min": 99, "statistic": "increase"}) == "PASS"


@pytest.mark.parametrize(
    ("series", "near"),
    [("process.api.fd", "; there is process.api.fds"), ("witness.x.y", ""), ("process.*.threads", None)],
)
def test_a_limit_that_no_series_is_under_is_undecided(series: str, near: str | None) -> None:
    (finding,) = judged(Source({FDS: ticks(CLIMB)}), {"max": 1e9}, series)
    assert (finding.verdict, finding.where) == ("INCONCLUSIVE", series)
    assert near is None or finding.message.endswith(near or "in this run")


def test_a_wildcard_judges_each_and_an_exception_none() -> None:
    source = Source({FDS: ticks(CLIMB), "process.auth.fds": ticks([1.0] * 100), "process.redis.fds": ticks(CLIMB)})
    found = judged(source, {"max": 50, "except": ["process.redis.*"]}, "process.*.fds")
    assert {finding.where: str(finding.verdict) for finding in found} == {FDS: "FAIL", "process.auth.fds": "PASS"}


def with_holes(share: float) -> list[float]:
    return [NAN if n % 100 < share * 100 else 10.0 for n in range(200)]


@pytest.mark.parametrize("limit", [{"max": 20}, {"max": 20, "statistic": "mean"}, {"max": 20, "window_s": 10}])
def test_a_series_with_holes_is_undecided(limit: dict[str, Any]) -> None:
    assert verdict(with_holes(0.05), limit) == "PASS"
    assert verdict(with_holes(0.25), limit) == "INCONCLUSIVE"


def test_what_was_seen_to_break_a_limit_breaks_it_despite_holes() -> None:
    values = [*with_holes(0.25), 90.0]
    assert verdict(values, {"max": 20}) == "FAIL"
    assert verdict(values, {"min": 20}) == "FAIL"
    assert verdict(values, {"max": 20, "window_s": 10}) == "FAIL"
    # But a mean of what is left is not the mean.
    assert verdict(values, {"max": 5, "statistic": "mean"}) == "INCONCLUSIVE"
    assert verdict(values, {"min": 20, "statistic": "max"}) == "INCONCLUSIVE"


def test_growth_is_undecided_with_holes_after_a_restart_and_in_a_short_run() -> None:
    limit = {"growth_per_request": 0.02, "wander": 0}
    holes = [NAN if n % 4 == 0 else float(n) for n in range(200)]
    assert verdict(holes, limit) == "INCONCLUSIVE"
    assert verdict(CLIMB, limit, restarts_s=[50.0]) == "INCONCLUSIVE"
    assert verdict(CLIMB, limit, restarts_s=[0.5, 100.5]) == "PASS"
    (finding,) = judged(Source({FDS: ticks(CLIMB[:39])}), limit)
    assert (finding.verdict, finding.observed) == ("INCONCLUSIVE", "undecided (39 samples, 40 needed)")
    assert verdict(CLIMB, limit, per_s=0.0) == "INCONCLUSIVE"


@pytest.mark.parametrize(("missing", "told"), [(0, "PASS"), (3, "PASS"), (4, "INCONCLUSIVE")])
def test_the_last_of_a_series_that_ended_early_is_undecided(missing: int, told: str) -> None:
    whole, limit = ticks([1.0] * 100), {"max": 20, "statistic": "last"}
    assert verdict([10.0] * (100 - missing), limit, ticks_at=whole) == told
    assert verdict([10.0] * (100 - missing), limit | {"statistic": "mean"}, ticks_at=whole) == "PASS"


@pytest.mark.parametrize(
    ("limit", "worst_s"),
    [
        ({"max": 500}, 51),
        ({"min": -500}, 31),
        ({"max": 500, "min": -50}, 31),
        ({"max": 500, "statistic": "last"}, 100),
        ({"max": 500, "statistic": "mean"}, 51),
        ({"max": 500, "statistic": "increase"}, 32),
        ({"max": 500, "window_s": 10}, 51),
    ],
)
def test_the_worst_moment_is_told(limit: dict[str, Any], worst_s: int) -> None:
    values = [10.0] * 100
    values[30], values[31], values[50] = -40.0, 30.0, 60.0
    (finding,) = judged(Source({FDS: ticks(values)}), limit)
    assert finding.figures["worst_s"] == worst_s


def test_a_run_without_calm_decides_nothing_about_it() -> None:
    for limit in ({"max": 20}, {"max": 20, "window_s": 10}, {"growth_per_request": 1}, {"max": 1, "statistic": "last"}):
        assert verdict([10.0] * 100, limit, disturbed=[(0, 100)]) == "INCONCLUSIVE"


def test_a_window_longer_than_the_calm_is_undecided() -> None:
    assert verdict([10.0] * 100, {"max": 20, "window_s": 100}) == "PASS"
    assert verdict([10.0] * 100, {"max": 20, "window_s": 101}) == "INCONCLUSIVE"
    assert verdict([10.0] * 100, {"max": 20, "window_s": 61}, disturbed=[(20, 60)]) == "INCONCLUSIVE"


@pytest.mark.parametrize(("samples", "told"), [(4, "INCONCLUSIVE"), (5, "PASS")])
def test_a_window_needs_half_of_its_samples(samples: int, told: str) -> None:
    values = [10.0 if n % 10 < samples else NAN for n in range(100)]
    whole, limit = ticks([1.0] * 100), {"max": 20, "window_s": 10}
    assert verdict(values, limit, ticks_at=whole) == told
    # Of too few samples one may be surely above a limit, but not their mean.
    values[3] = 90.0
    assert verdict(values, limit, ticks_at=whole) == "FAIL"
    assert verdict(values, limit | {"statistic": "mean"}, ticks_at=whole) == ("FAIL" if told == "PASS" else told)


def test_two_windows_that_share_nothing_are_broken_twice() -> None:
    values = [10.0] * 80 + [90.0] * 20
    assert verdict(values, {"max": 20, "window_s": 10, "bad_windows": 2}) == "PASS"
    assert verdict(values, {"max": 20, "window_s": 10, "bad_windows": 1}) == "FAIL"


def test_the_end_that_fills_no_window_is_judged_with_what_was_before_it() -> None:
    values = [10.0] * 99 + [90.0] * 6
    assert verdict(values, {"max": 20, "window_s": 10}) == "FAIL"
    # The last window shares four seconds with the one before it; what both of them break is broken once.
    late = [10.0] * 97 + [90.0] * 2 + [10.0] * 6
    assert verdict(late, {"max": 20, "window_s": 10, "bad_windows": 1}) == "PASS"
    assert verdict([90.0, *late[1:]], {"max": 20, "window_s": 10, "bad_windows": 1}) == "FAIL"


@pytest.mark.parametrize(
    ("limit", "told"), [({"max": 0}, "PASS"), ({"min": 1}, "FAIL"), ({"max": 0, "window_s": 10}, "PASS")]
)
def test_a_count_that_was_never_written_was_zero(limit: dict[str, Any], told: str) -> None:
    source = Source({OK: ticks([5.0] * 100)})
    for statistic in ("every", "sum"):
        (finding,) = judged(source, {**limit, "statistic": statistic}, "load.pay.timed_out")
        assert str(finding.verdict) == told
    # But a misspelt outcome, or an operation that was not asked for, is no count.
    for series in ("load.pay.timedout", "load.pray.timed_out"):
        (finding,) = judged(source, limit, series)
        assert finding.verdict == "INCONCLUSIVE"


def test_a_count_that_was_written_at_times_was_zero_between() -> None:
    values = [NAN] * 50 + [10.0] + [NAN] * 49
    limit: dict[str, Any]
    for limit in ({"max": 10, "statistic": "sum"}, {"max": 0.1, "statistic": "mean"}, {"max": 0, "statistic": "p95"}):
        assert verdict(values, limit, OK, ticks_at=ticks([1.0] * 100)) == "PASS"
    for limit in ({"max": 9, "statistic": "sum"}, {"min": 1}, {"max": 9, "window_s": 10}):
        assert verdict(values, limit, OK, ticks_at=ticks([1.0] * 100)) == "FAIL"


def test_what_is_probed_is_expected_whenever_the_probes_looked() -> None:
    each_third = [10.0 if n % 3 == 2 else NAN for n in range(300)]
    looks = {"sampler.all.pass_s": ticks([0.01 if n % 3 == 2 else NAN for n in range(300)])}
    series = {FDS: ticks(each_third)}
    for limit in ({"max": 20}, {"max": 20, "window_s": 30, "statistic": "p50"}):
        assert [str(f.verdict) for f in judged(Source(series | looks), limit)] == ["PASS"]
        assert [str(f.verdict) for f in judged(Source(series), limit)] == ["INCONCLUSIVE"]


def test_windows_narrower_than_what_is_kept_are_undecided_unless_broken() -> None:
    values = [10.0] * 600
    cells = {FDS: rolled(values, 60), "load.all.offered": rolled([1.0] * 600, 60)}
    for most, window_s, told in ((20, 60, "PASS"), (20, 10, "INCONCLUSIVE"), (5, 10, "FAIL")):
        assert [str(f.verdict) for f in judged(Source(cells), {"max": most, "window_s": window_s})] == [told]


numbers = st.lists(st.integers(0, 40).map(float), min_size=60, max_size=180)


@PATIENT
@given(numbers, st.sampled_from([2, 7, 20]), st.data())
def test_rolled_up_or_not_the_verdict_is_the_same(values: list[float], width: int, data: st.DataObject) -> None:
    statistic = data.draw(st.sampled_from(["every", "min", "mean", "max", "last", "sum", "sum_per_s"]))
    # No mean of so few whole numbers is ever so near to the limit that rounding decides.
    limit: dict[str, Any] = {data.draw(st.sampled_from(["max", "min"])): data.draw(st.integers(0, 41)) + 0.501}
    limit |= {"statistic": statistic}
    raw = judged(Source({OK: ticks(values)}), limit, OK)
    cells = Source({OK: rolled(values, width)}, ticks_at=rolled([1.0] * len(values), width))
    (by_tick,), (by_cell,) = raw, judged(cells, limit, OK)
    assert (by_tick.verdict, by_tick.observed) == (by_cell.verdict, by_cell.observed)


@PATIENT
@given(numbers, st.integers(1, 30), st.integers(0, 4), st.integers(0, 40))
def test_windows_are_counted_as_by_hand(values: list[float], window: int, bad: int, most: int) -> None:
    limit = {"max": most, "window_s": window, "bad_windows": bad}
    broken = [max(values[end - window : end]) > most for end in range(window, len(values) + 1, window)]
    if len(values) % window:
        broken_at_end = max(values[-window:]) > most
        broken.append(broken_at_end and not broken[-1])
    assert verdict(values, limit) == ("FAIL" if sum(broken) > bad else "PASS")


@PATIENT
@given(numbers, st.sampled_from(["every", "mean", "p95", "sum", "max"]), st.floats(0, 1e4), st.floats(0, 1e4))
def test_a_wider_limit_is_never_stricter(values: list[float], statistic: str, one: float, other: float) -> None:
    narrow, wide = sorted((one, other))
    told = [verdict(values, {"max": most, "statistic": statistic}, OK) for most in (narrow, wide)]
    assert told != ["PASS", "FAIL"]


def test_a_real_journal_is_read_as_it_is(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for n in range(60):
            journal.write_tick(n + 1.0, {"load.all.offered": 1.0, FDS: 10.0 + n, "load.pay.ok": 2.0})
    with JournalReader(tmp_path) as reader:
        series: dict[str, Buckets] = {name: reader.buckets(name) for name in reader.series_names()}
    (finding,) = judged(Source(series), {"max": 68})
    assert (finding.verdict, finding.figures["observed"]) == ("FAIL", 69)
    (finding,) = judged(Source(series), {"max": 120, "min": 120, "statistic": "sum"}, "load.pay.ok")
    assert finding.verdict == "PASS"
