"""What of a user's value a message shows, and what never."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.shown import ABSENT, HIDDEN, is_secret, quotes, show_key, show_value

NAMES = ["password", "client_Secret", "TOKEN_s", "api_key", "Auth", "dsn", "base_url", "headers"]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(NAMES), st.sampled_from(["{}", "load.{}", "{}.a[3].b", 'a."x.{}".c']), values)
def test_a_value_below_a_secret_s_name_is_neither_shown_nor_kept(name: str, place: str, value: object) -> None:
    error = InputError("mine.toml", place.format(name), value, "must be longer")
    assert str(error) == f"mine.toml: {place.format(name)} = {HIDDEN}: must be longer"
    assert error.value == HIDDEN


@pytest.mark.parametrize("key", ["rate_per_s", "load.users[2].think_s", "budget.recovery_s", "name"])
def test_other_values_are_shown(key: str) -> None:
    assert not is_secret(key)
    assert str(InputError("mine.toml", key, -1, "must be above 0")) == f"mine.toml: {key} = -1: must be above 0"


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("hunter22", "hunter22 is too short"),
        (["a", "hunter22"], "no such thing as HUNTER22"),
        ({"a": {"b": "hunter22"}}, "hunter22"),
        ("http://me:hunter22@here/x", "host hunter22@here is not known"),
        ("abc", "must not be abc"),
    ],
)
def test_a_rule_that_quotes_a_hidden_value_is_not_shown(value: object, rule: str) -> None:
    told = str(InputError("mine.toml", "services.api.url", value, rule))
    assert "hunter22" not in told.lower()
    assert "abc" not in told


def test_a_rule_that_shares_no_more_than_words_with_the_value_is_shown() -> None:
    error = InputError("t", "services.api.url", "redis://host:1", "must be postgresql://HOST:PORT")
    assert error.rule == "must be postgresql://HOST:PORT"
    assert quotes(error.rule, "redis://host:1", in_words=True)


def test_what_is_absent_has_no_value() -> None:
    assert str(InputError("t", "a.token", ABSENT, "missing; must be given")) == "t: a.token: missing; must be given"


@given(values)
def test_a_value_is_shown_on_one_short_line(value: object) -> None:
    shown = show_value(value)
    assert shown.isprintable()
    assert 0 < len(shown) <= 80


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "true"),
        (-1, "-1"),
        (1.5, "1.5"),
        ("a\nb\x1b", r"'a\nb\x1b'"),
        ([1, "x", False], "[1, 'x', false]"),
        ([[1]], "<a list>"),
        ({"a": 1}, "<a table>"),
        ("redis://me:pw@here", "'redis://<hidden>@here'"),
        (10**400, "<a very large number>"),
        (None, "None"),
    ],
)
def test_a_value_is_shown_as_a_file_has_it(value: object, shown: str) -> None:
    assert show_value(value) == shown


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (("load", "stages", 2, "rate_per_s"), "load.stages[2].rate_per_s"),
        (("series", "process.api.fds", "max"), 'series."process.api.fds".max'),
        ((0, "a b"), '[0]."a b"'),
        (("a\nb",), r'"a\nb"'),
        ((), ""),
    ],
)
def test_a_path_is_written_as_in_toml(parts: tuple[str | int, ...], key: str) -> None:
    assert show_key(*parts) == key


@given(st.lists(st.text(max_size=200) | st.integers(0, 9), max_size=4))
def test_any_path_is_one_line(parts: list[str | int]) -> None:
    assert show_key(*parts).isprintable()
