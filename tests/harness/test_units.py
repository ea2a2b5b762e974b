import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.units import format_bytes, format_s, parse_duration_s, parse_size_bytes

DURATIONS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
SIZES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1024.0, "MiB": 1024.0**2, "GiB": 1024.0**3}
numbers = st.floats(0, 1e12).map(lambda n: round(n, 6))
gaps = st.sampled_from(["", " ", "  "])


@given(number=numbers, unit=st.sampled_from(sorted(DURATIONS)), gap=gaps)
def test_a_duration_with_its_unit_becomes_seconds(number: float, unit: str, gap: str) -> None:
    assert parse_duration_s(f"{gap}{number!r}{gap}{unit}{gap}") == number * DURATIONS[unit]


@given(number=numbers, unit=st.sampled_from(sorted(SIZES)), gap=gaps)
def test_a_size_with_its_unit_becomes_bytes(number: float, unit: str, gap: str) -> None:
    assert parse_size_bytes(f"{number!r}{gap}{unit}") == number * SIZES[unit]


@given(numbers)
def test_a_plain_number_is_already_in_si(number: float) -> None:
    assert parse_duration_s(number) == parse_size_bytes(number) == number
    assert parse_duration_s(str(number)) == number


@pytest.mark.parametrize(
    "value",
    [
        "",
        "s",
        "-1",
        "-1 s",
        "ten s",
        "1 sec",
        "1 m",
        "1 S",
        "10 MB",
        "1 2 s",
        "1,5 s",
        "nan",
        "inf s",
        "1e999 s",
        "0x10",
    ],
)
def test_what_is_no_duration_is_refused_with_the_rule(value: str) -> None:
    with pytest.raises(ValueError, match="must be a duration such as"):
        parse_duration_s(value)


@pytest.mark.parametrize("value", ["1 K", "1 mb", "1 MBytes", "1 s", "-3 MB", "1 M", "1e400", "450MB!"])
def test_what_is_no_size_is_refused_with_the_rule(value: str) -> None:
    with pytest.raises(ValueError, match="must be a size such as"):
        parse_size_bytes(value)


@pytest.mark.parametrize("number", [-1, -0.001, float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_no_quantity_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        parse_duration_s(number)
    with pytest.raises(ValueError, match="finite and not negative"):
        parse_size_bytes(number)


@given(st.text(max_size=12))
def test_any_text_is_parsed_or_refused_by_value_error_alone(text: str) -> None:
    for parse in (parse_duration_s, parse_size_bytes):
        try:
            value = parse(text)
        except ValueError as error:
            value = 0.0
            rule = str(error)
            assert rule.startswith("must be ")
        assert 0 <= value < float("inf")


@given(st.floats(0.001, 0.999))
def test_a_short_duration_reads_back_to_three_digits(duration_s: float) -> None:
    assert parse_duration_s(format_s(duration_s)) == pytest.approx(duration_s, rel=5e-3)


@given(st.floats(1, 119.9))
def test_a_duration_of_seconds_reads_back_to_a_tenth(duration_s: float) -> None:
    assert parse_duration_s(format_s(duration_s)) == pytest.approx(duration_s, abs=0.0501)


@given(st.integers(120, 10**7))
def test_a_long_duration_is_told_in_minutes_and_seconds(duration_s: int) -> None:
    minutes, rest = format_s(duration_s).split(" min ")
    assert int(minutes) * 60 + int(rest.removesuffix(" s")) == duration_s


@given(st.floats(-1e12, 1e12))
def test_a_size_reads_back_and_keeps_its_sign(size_bytes: float) -> None:
    told = format_bytes(size_bytes)
    assert parse_size_bytes(told.lstrip("-")) == pytest.approx(abs(size_bytes), rel=0.051, abs=0.51)
    assert not told.startswith("-") or math.copysign(1, size_bytes) < 0


def test_sizes_read_as_people_write_them() -> None:
    assert [format_bytes(b) for b in (0, 999, 1000, -3_100_000, 450e6, 2.5e9)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "-3.1 MB",
        "450.0 MB",
        "2.5 GB",
    ]
