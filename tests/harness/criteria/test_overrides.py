from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.criteria.overrides import above_zero, parse_fraction, parse_from_zero, parse_positive, parse_table
from harness.errors import InputError
from harness.units import parse_duration_s, parse_size_bytes

PARSERS = {
    "rate": parse_positive,
    "share": parse_fraction,
    "wait_s": parse_duration_s,
    "room_bytes": parse_size_bytes,
}
GOOD: Mapping[str, tuple[object, float]] = {
    "rate": (120, 120.0),
    "share": (0.25, 0.25),
    "wait_s": ("2 min", 120.0),
    "room_bytes": ("1 KiB", 1024.0),
}
BAD: Mapping[str, st.SearchStrategy[object]] = {
    "rate": st.sampled_from([0, -1, "5", True, None, [1], float("inf"), float("nan"), 10**400]),
    "share": st.sampled_from([-0.1, 1.1, "0.5", False, {}, float("nan"), 10**400]),
    "wait_s": st.sampled_from(["soon", "-1 s", -1, True, None, [], "1 MB", float("nan"), 10**400]),
    "room_bytes": st.sampled_from(["big", "1 s", -1, True, (), float("inf"), 10**400]),
}
unknown = st.text("abcdefgh", min_size=1, max_size=6).filter(lambda key: key not in PARSERS)


@given(good=st.sets(st.sampled_from(sorted(GOOD))), data=st.data(), strange=st.sets(unknown, max_size=3))
def test_every_broken_rule_is_told_at_once(good: set[str], data: st.DataObject, strange: set[str]) -> None:
    bad = data.draw(st.sets(st.sampled_from(sorted(set(PARSERS) - good)))) if good != set(PARSERS) else set()
    table = {key: GOOD[key][0] for key in good}
    table |= {key: data.draw(BAD[key]) for key in bad} | dict.fromkeys(strange, 1)
    if not bad and not strange:
        assert parse_table("target.toml", "load", table, PARSERS) == {key: GOOD[key][1] for key in good}
        return
    with pytest.raises(ExceptionGroup) as caught:
        parse_table("target.toml", "load", table, PARSERS)
    errors = caught.value.exceptions
    assert all(isinstance(error, InputError) for error in errors)
    assert {error.key for error in errors if isinstance(error, InputError)} == {f"load.{key}" for key in bad | strange}


def test_an_unknown_key_names_the_known_ones() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        parse_table("mine.toml", "load", {"rat": 3}, PARSERS)
    (error,) = caught.value.exceptions
    assert str(error) == "mine.toml: load.rat = 3: no such key; one of rate, share, wait_s, room_bytes"


def test_an_error_names_file_key_value_and_rule() -> None:
    with pytest.raises(ExceptionGroup, match=r"mine.toml: \[load\] breaks 1 rule") as caught:
        parse_table("mine.toml", "load", {"share": 7}, PARSERS)
    (error,) = caught.value.exceptions
    assert str(error) == "mine.toml: load.share = 7: must be a fraction from 0 to 1"


def test_an_empty_table_changes_nothing() -> None:
    assert parse_table("mine.toml", "load", {}, PARSERS) == {}


@given(st.floats(0, 1))
def test_a_fraction_includes_both_ends(value: float) -> None:
    assert parse_fraction(value) == value


def test_a_key_that_others_read_is_left_to_them_and_named_among_the_known() -> None:
    assert parse_table("mine.toml", "load", {"mix": {"a": 1}, "share": 1}, PARSERS, elsewhere=("mix",)) == {
        "share": 1.0
    }
    with pytest.raises(ExceptionGroup) as caught:
        parse_table("mine.toml", "load", {"mix": {}, "mux": 1}, PARSERS, elsewhere=("mix",))
    (error,) = caught.value.exceptions
    assert str(error).endswith("no such key; one of rate, share, wait_s, room_bytes, mix")


@given(st.floats(0, 1e300))
def test_above_zero_is_all_but_zero(value: float) -> None:
    assert parse_from_zero(value) == value
    if value:
        assert above_zero(parse_from_zero)(value) == value


@pytest.mark.parametrize("value", [0, 0.0, "0 s", "0", -1, "soon", float("nan"), float("inf")])
def test_zero_is_not_above_it(value: str | float) -> None:
    with pytest.raises(ValueError, match=r"^must be "):
        above_zero(parse_duration_s)(value)


@pytest.mark.parametrize("value", ["1", -0.1, float("nan"), float("inf")])
def test_a_number_from_zero_is_finite(value: str | float) -> None:
    with pytest.raises(ValueError, match=r"^must be a number, 0 or more$"):
        parse_from_zero(value)
