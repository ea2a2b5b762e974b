import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.call import Call
from harness.load.operations.sizes import BOUNDS_BYTES, SizeClass
from harness.load.operations.template import fill_document, parse_document, parse_template


def filled(text: str, number: int = 7, *, user: int = -1, key: str = "k") -> Any:
    call = Call("op", number, user=user)
    call.key = key
    return parse_template(text).value("run-1", call)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("{number}", 7),
        ("a{number}b", "a7b"),
        ("{user}", 7),
        ("{run}-{number}/{key}", "run-1-7/k"),
        ("{{number}}", "{number}"),
        ("{run}", "run-1"),
    ],
)
def test_holes_are_filled(text: str, expected: object) -> None:
    assert filled(text) == expected


def test_a_virtual_user_is_told_from_an_arrival() -> None:
    assert filled("{user}", user=3) == 3


@given(number=st.integers(0, 2**53), below=st.integers(1, 10**9))
def test_a_draw_follows_from_the_number(number: int, below: int) -> None:
    drawn = filled(f"{{random:{below}}}", number)
    assert 0 <= drawn < below
    assert drawn == filled(f"{{random:{below}}}", number)


@pytest.mark.parametrize("size", SizeClass)
def test_a_message_has_its_class(size: SizeClass) -> None:
    least, most = BOUNDS_BYTES[size]
    assert least <= len(filled(f"{{text:{size}}}")) <= most


@given(st.text())
def test_any_text_is_a_template_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        parse_template(text)


@given(st.text(st.characters(blacklist_characters="{}")))
def test_a_text_without_holes_is_itself(text: str) -> None:
    assert filled(text) == text


@pytest.mark.parametrize(
    "text",
    ["{nonsense}", "{}", "{0}", "{number", "number}", "{number:3}", "{number!r}", "{random}", "{random:0}",
     "{random:x}", "{text:gigantic}", "{call.key}"],
)  # fmt: skip
def test_a_hole_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="in braces only"):
        parse_template(text)


def test_a_document_keeps_its_shape() -> None:
    document = {"a": ["{number}", {"b": "x{run}"}], "c": 1.5, "d": True}
    assert fill_document(parse_document(document), "r", Call("op", 4)) == {
        "a": [4, {"b": "xr"}],
        "c": 1.5,
        "d": True,
    }


def test_what_json_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON value"):
        parse_document({"a": [object()]})
