"""What must have been seen: each kind of observation seen, missed, and not looked at enough."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.criteria.limits import INCREASES, SUMS, Range, Statistic, When
from harness.criteria.observations import EventSeen, Observation, SeriesSeen
from harness.criteria.series_range import STATISTICS
from harness.judging.checks.observed import check_observed
from harness.records import Event
from harness.verdict import Finding, Verdict
from tests.harness.judging.checks.source import PATIENT, Source, ticks

SECONDS = 60
OPENED, STATE = "runtime.api.breaker_redis_opened", "runtime.api.breaker_redis_state"


def judged(asked: Observation, events: Iterable[Event] = (), **series: Iterable[float]) -> Finding:
    """Return what is said of a run of a minute; `__` in a name stands for a dot."""
    shown = {name.replace("__", "."): ticks(values) for name, values in series.items()}
    source = Source({"generator.lag_s_p95": ticks([0.0] * SECONDS), **shown}, disturbed=[(40.0, 50.0)])
    (finding,) = check_observed(source, list(events), [asked])
    return finding


def at_least(series: str, statistic: Statistic, minimum: float, **changes: Any) -> SeriesSeen:
    return SeriesSeen(series=series, statistic=statistic, min=minimum, **changes)


def counts(**at: float) -> list[float]:
    """Return a count a second, NaN where there was nothing to count, as `s3=2` for 2 in second 3."""
    return [at.get(f"s{n}", np.nan) for n in range(SECONDS)]


@pytest.mark.parametrize(("wanted", "verdict"), [(5, Verdict.PASS), (6, Verdict.INCONCLUSIVE)])
def test_counts_are_added_up_over_all_that_is_named(wanted: float, verdict: Verdict) -> None:
    finding = judged(
        at_least("load.*.cancelled", Statistic.SUM, wanted),
        load__get__cancelled=counts(s3=1, s9=2),
        load__put__cancelled=counts(s59=2),
        load__put__ok=counts(s1=100),
    )
    assert (finding.check, finding.verdict, finding.where) == ("must_observe", verdict, "load.*.cancelled")
    assert (finding.figures["observed"], finding.allowed) == (5, f">= {wanted}")


def test_what_never_happened_is_a_count_of_none_and_not_unknown() -> None:
    finding = judged(at_least("load.get.cancelled", Statistic.SUM, 1), load__get__ok=counts(s3=1))
    assert (finding.verdict, finding.figures["observed"]) == (Verdict.INCONCLUSIVE, 0)


def test_a_total_that_rose_counts_by_its_rise_over_restarts() -> None:
    opened = [3.0] * 20 + [4.0] * 20 + [1.0] * 20
    asked = at_least("runtime.*.breaker_*_opened", Statistic.INCREASE, 2)
    apart: dict[str, Any] = {
        "runtime__api__breaker_redis_opened": [1.0] * 30 + [2.0] * 30,
        "runtime__api__breaker_x_opened": opened,
    }
    assert judged(asked, **apart).verdict is Verdict.PASS, "of one that rose by two"
    apart["runtime__api__breaker_x_opened"] = apart["runtime__api__breaker_redis_opened"]
    assert judged(asked, **apart).verdict is Verdict.INCONCLUSIVE, "of none by itself"
    assert judged(asked, runtime__api__breaker_redis_opened=opened).verdict is Verdict.PASS
    finding = judged(asked, runtime__api__breaker_redis_opened=[3.0] * SECONDS)
    assert (finding.verdict, finding.figures["observed"]) == (Verdict.INCONCLUSIVE, 0)


@pytest.mark.parametrize(("one", "other"), [(1.0, 9.0), (9.0, 1.0)])
def test_of_levels_one_is_enough(one: float, other: float) -> None:
    shown: dict[str, Any] = {"process__api__fds": [one] * SECONDS, "process__auth__fds": [other] * SECONDS}
    assert judged(at_least("process.*.fds", Statistic.MAX, 9), **shown).verdict is Verdict.PASS
    finding = judged(at_least("process.*.fds", Statistic.MAX, 11), **shown)
    assert (finding.verdict, finding.figures["observed"]) == (Verdict.INCONCLUSIVE, 9)
    low = SeriesSeen(series="process.*.fds", statistic=Statistic.MIN, max=1.0)
    assert judged(low, **shown).verdict is Verdict.PASS
    within = at_least("process.*.fds", Statistic.MEAN, 3.0, max=8.0, excepted=("process.auth.*",))
    assert judged(within, **shown).figures["observed"] == one


def test_what_is_excepted_is_not_seen() -> None:
    finding = judged(at_least("process.*.fds", Statistic.MAX, 5, excepted=("process.api.*",)), process__api__fds=[9.0])
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "process.api.fds" in finding.message


def test_a_series_that_there_is_not_is_told_with_the_nearest_names() -> None:
    finding = judged(at_least(OPENED, Statistic.INCREASE, 1), runtime__api__breaker_redis_state=[0.0] * SECONDS)
    assert (finding.verdict, finding.where, finding.allowed) == (Verdict.INCONCLUSIVE, OPENED, ">= 1")
    assert STATE in finding.message


def half(value: float) -> list[float]:
    return [value if n % 2 else np.nan for n in range(SECONDS)]


@pytest.mark.parametrize(
    ("statistic", "wanted", "verdict"),
    [
        # What is missing could not take away what was seen.
        (Statistic.MAX, Range(5, None), Verdict.PASS),
        (Statistic.MIN, Range(None, 5), Verdict.PASS),
        # But it could change these.
        (Statistic.MAX, Range(5, 9), Verdict.INCONCLUSIVE),
        (Statistic.MAX, Range(None, 9), Verdict.INCONCLUSIVE),
        (Statistic.MIN, Range(5, None), Verdict.INCONCLUSIVE),
        (Statistic.MEAN, Range(5, None), Verdict.INCONCLUSIVE),
        (Statistic.P95, Range(5, None), Verdict.INCONCLUSIVE),
    ],
)
def test_what_was_not_looked_at_was_not_seen(statistic: Statistic, wanted: Range, verdict: Verdict) -> None:
    asked = SeriesSeen(series="process.api.fds", statistic=statistic, min=wanted.minimum, max=wanted.maximum)
    finding = judged(asked, process__api__fds=half(5.0))
    assert finding.verdict is verdict
    assert ("only 50% of the samples present" in finding.observed) is (verdict is Verdict.INCONCLUSIVE)


def test_a_part_of_the_run_without_a_sample_shows_nothing() -> None:
    calm = at_least("process.api.fds", Statistic.MAX, 1, when=When.CALM)
    finding = judged(calm, process__api__fds=[np.nan] * 41 + [9.0] * 8)
    assert (finding.verdict, "observed" in finding.figures) == (Verdict.INCONCLUSIVE, False)


def test_amounts_are_told_in_their_units() -> None:
    finding = judged(at_least("process.api.rss_bytes", Statistic.MAX, 2e6), process__api__rss_bytes=[3e6] * SECONDS)
    assert (finding.observed, finding.allowed) == ("3.0 MB (max) after warm-up", ">= 2.0 MB")
    per_s = at_least("load.get.ok", Statistic.SUM_PER_S, 2.0)
    assert judged(per_s, load__get__ok=[3.0] * SECONDS).observed == "3/s (sum_per_s) after warm-up"


RESTARTS = [Event(t_s, "service_restarted", {"service": "api"}) for t_s in (3.0, 45.0, 59.5)]


@pytest.mark.parametrize(
    ("minimum", "maximum", "when", "observed", "verdict"),
    [
        (3, None, When.WARM, 3, Verdict.PASS),
        (4, None, When.WARM, 3, Verdict.INCONCLUSIVE),
        (None, 2, When.CALM, 2, Verdict.PASS),
        (None, 1, When.CALM, 2, Verdict.INCONCLUSIVE),
    ],
)
def test_events_are_counted(
    minimum: int | None, maximum: int | None, when: When, observed: int, verdict: Verdict
) -> None:
    asked = EventSeen(event="service_restarted", where={"service": "a*"}, min=minimum, max=maximum, when=when)
    others = [Event(5.0, "service_restarted", {"service": "redis"}), Event(5.0, "phase", {"service": "api"})]
    finding = judged(asked, [*RESTARTS, *others])
    assert (finding.verdict, finding.figures["observed"]) == (verdict, observed)
    assert finding.where == "service_restarted (service a*)"


def test_a_kind_of_event_that_there_is_not_is_told_with_the_nearest() -> None:
    finding = judged(EventSeen(event="service_restart"), RESTARTS)
    assert (finding.verdict, finding.figures["observed"]) == (Verdict.INCONCLUSIVE, 0)
    assert "service_restarted" in finding.message
    assert judged(EventSeen(event="oom_killed")).figures["observed"] == 0


@PATIENT
@given(
    st.lists(st.integers(0, 9) | st.just(np.nan), min_size=SECONDS, max_size=SECONDS),
    st.integers(1, 60),
    st.sampled_from([When.ALL, When.CALM, When.WARM]),
)
def test_a_count_is_seen_if_and_only_if_there_were_so_many(values: list[float], minimum: int, when: When) -> None:
    inside = [value for n, value in enumerate(values) if when is not When.CALM or not 40 <= n < 50]
    enough = float(np.nansum(inside)) >= minimum
    shown: dict[str, Any] = {"load__get__shed": values, "load__get__ok": [1.0] * SECONDS}
    finding = judged(at_least("load.get.shed", Statistic.SUM, minimum, when=when), **shown)
    assert finding.verdict is (Verdict.PASS if enough else Verdict.INCONCLUSIVE)


@PATIENT
@given(
    st.lists(st.floats(0, 9) | st.just(np.nan), min_size=1, max_size=SECONDS),
    # A sum is refused: descriptors are a level.
    st.sampled_from([each for each in STATISTICS if each not in SUMS]),
)
def test_what_is_not_there_is_never_a_failure(values: list[float], statistic: Statistic) -> None:
    finding = judged(at_least("process.api.fds", statistic, 10.0), process__api__fds=values)
    assert finding.verdict is not Verdict.FAIL
    # No level of these is so high, and only a rise could be.
    assert finding.verdict is Verdict.INCONCLUSIVE or statistic in INCREASES
