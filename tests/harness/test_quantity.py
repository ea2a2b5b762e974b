import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.quantity import Scale, estimated, growth_scale, rounded


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        *((1234.5, 3, "1230"), (1024.0, 6, "1024"), (0.0001234, 3, "0.000123"), (0.5, 3, "0.5"), (0.0, 3, "0")),
        *((-0.0, 3, "0"), (63_214.0, 2, "63000"), (9.996, 3, "10"), (-7.82e-5, 2, "-0.000078"), (1e9, 6, "1000000000")),
        *((math.inf, 3, "inf"), (math.nan, 3, "nan")),
    ],
)
def test_numbers_are_rounded_without_an_exponent(value: float, digits: int, text: str) -> None:
    assert rounded(value, digits) == text


@pytest.mark.parametrize(
    ("value", "half_width", "text"),
    [
        *(
            (2512.0, 286.0, "2510"),
            (-0.078, 1.43, "0"),
            (4.68, 1.03, "4.7"),
            (0.2, 286.0, "0"),
            (34.71, 0.42, "34.7"),
            (-3.6, 1.0, "-3.6"),
            (-3.6, 3.0, "-4"),
        ),
        *((5.0, 0.0, "5"), (5.25, math.inf, "5.25"), (-0.004, 0.05, "0")),
    ],
)
def test_an_estimate_has_no_digit_beyond_what_is_known(value: float, half_width: float, text: str) -> None:
    assert estimated(value, half_width) == text


@pytest.mark.parametrize(
    ("unit", "per", "values", "text"),
    [
        ("B", "request", (2512.0, 286.0, 1024.0), "2510 B/request (95% CI +/-290)"),
        ("B", "h", (-2.3e6, 2.029e8, 1e7), "0 MB/h (95% CI +/-200)"),
        ("B", "request", (2.5e6, 3e5, 1024.0), "2500 kB/request (95% CI +/-300)"),
        ("", "request", (-7.821e-5, 0.00143, 0.005), "0 per 1000 requests (95% CI +/-1.4)"),
        ("", "h", (3.2, 0.4, 6.0), "3.2/h (95% CI +/-0.4)"),
        ("s", "h", (3.2, math.inf, 6.0), "3.2 s/h (95% CI unknown)"),
    ],
)
def test_growth_is_written_in_the_unit_that_reads_best(
    unit: str, per: str, values: tuple[float, float, float], text: str
) -> None:
    assert growth_scale(unit, per, *values).estimate(*values[:2]) == text


def test_what_was_set_is_written_as_it_was_set() -> None:
    scale = growth_scale("", "request", 0.005)
    assert (scale.text(0.005), scale.bare(0.005), scale.rough(0.0033333)) == (
        "5 per 1000 requests",
        "5",
        "3.3 per 1000 requests",
    )
    assert Scale(100.0, "%/h").text(0.004) == "0.4%/h"


@given(st.floats(-1e12, 1e12), st.floats(1e-6, 1e12))
def test_an_estimate_is_off_by_less_than_its_half_width(value: float, half_width: float) -> None:
    assert abs(float(estimated(value, half_width)) - value) <= 0.51 * half_width + 1e-3


@given(st.floats(-1e12, 1e12).filter(lambda value: value == 0 or abs(value) > 1e-9), st.integers(1, 6))
def test_a_rounded_number_is_near_the_number(value: float, digits: int) -> None:
    assert float(rounded(value, digits)) == pytest.approx(value, rel=0.51 * 10 ** (1 - digits), abs=1e-12)
