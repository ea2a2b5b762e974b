"""One number of a series: as of its samples, also where they were rolled up."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.criteria.limits import Statistic, When
from harness.judging.checks.sampled import Part, part_of
from harness.judging.checks.statistic import seen_of, value_of
from tests.harness.judging.checks.source import PATIENT, Source, rolled, ticks

FDS = "process.api.fds"
NAN = float("nan")
values = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=80)


def part(samples: list[float]) -> Part:
    return part_of(Source({FDS: ticks(samples)}), FDS, When.ALL)


def cells(samples: list[float], width: int) -> Part:
    source = Source({FDS: rolled(samples, width)}, ticks_at=rolled([1.0] * len(samples), width))
    return part_of(source, FDS, When.ALL)


BY_HAND: dict[Statistic, Callable[[list[float]], float]] = {
    Statistic.MIN: min,
    Statistic.MAX: max,
    Statistic.MEAN: lambda samples: sum(samples) / len(samples),
    Statistic.LAST: lambda samples: samples[-1],
    Statistic.P50: lambda samples: float(np.quantile(samples, 0.50, method="inverted_cdf")),
    Statistic.P95: lambda samples: float(np.quantile(samples, 0.95, method="inverted_cdf")),
    Statistic.P99: lambda samples: float(np.quantile(samples, 0.99, method="inverted_cdf")),
    Statistic.SUM: sum,
    Statistic.SUM_PER_S: lambda samples: sum(samples) / len(samples),
}
RISING = {Statistic.INCREASE, Statistic.INCREASE_PER_S}


def test_every_statistic_is_tested_here() -> None:
    assert set(BY_HAND) | RISING | {Statistic.EVERY} == set(Statistic)


@pytest.mark.parametrize("statistic", BY_HAND)
@PATIENT
@given(samples=values)
def test_it_is_that_of_the_samples(statistic: Statistic, samples: list[float]) -> None:
    assert value_of(part(samples), statistic) == pytest.approx(BY_HAND[statistic](samples), abs=1e-6)


@PATIENT
@given(values, st.integers(2, 30))
def test_quantiles_of_cells_stay_within_what_is_known(samples: list[float], width: int) -> None:
    rolled_up, lows = cells(samples, width), cells(samples, width).buckets
    for statistic, quantile in ((Statistic.P50, 0.5), (Statistic.P95, 0.95), (Statistic.P99, 0.99)):
        lowest, highest = (
            float(np.quantile(bound, quantile, weights=lows.n, method="inverted_cdf"))
            for bound in (lows.low, lows.high)
        )
        assert lowest - 1e-6 <= value_of(rolled_up, statistic) <= highest + 1e-6


def test_a_rare_peak_in_each_cell_is_no_quantile() -> None:
    samples = [100.0 if n % 60 == 30 else 1.0 for n in range(600)]
    assert value_of(cells(samples, 60), Statistic.P95) == 1.0
    assert value_of(cells(samples, 60), Statistic.P99) == value_of(part(samples), Statistic.P99) == 100.0


def test_what_is_told_per_second_is_of_the_seconds_seen() -> None:
    rising = [float(3 * n) for n in range(100)]
    assert value_of(part(rising), Statistic.INCREASE_PER_S) == pytest.approx(3.0)
    assert value_of(part([*rising[:50], *[NAN] * 10, *rising[60:]]), Statistic.INCREASE_PER_S) == pytest.approx(3.0)
    assert value_of(cells(rising, 10), Statistic.INCREASE) == 3 * 90.0
    assert value_of(part([5.0]), Statistic.INCREASE_PER_S) == 0.0


def test_an_increase_is_seen_between_two_samples() -> None:
    holes = [NAN if n % 2 else float(n) for n in range(100)]
    assert seen_of(part([*range(100)]), Statistic.INCREASE) == pytest.approx(0.99)
    assert seen_of(part([*holes, 100.0]), Statistic.INCREASE) == pytest.approx(100 / 101)
    assert seen_of(part([*holes, 100.0]), Statistic.MEAN) == pytest.approx(51 / 101)
