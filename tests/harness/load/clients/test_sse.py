import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.clients.sse import ServerEvent, parse_events

words = st.text(st.characters(blacklist_characters="\r\n\0\ufeff", blacklist_categories=["Cs"]), max_size=8)
ids = words.map(str.strip)
events = st.builds(ServerEvent, ids, ids.filter(bool), st.lists(words, min_size=1, max_size=3).map("\n".join))


def written(event: ServerEvent, end: str) -> str:
    data = [f"data: {line}" for line in event.data.split("\n")]
    return end.join([f"id: {event.id}", f"event: {event.event}", *data, "", ""])


@given(sent=st.lists(events, max_size=5), end=st.sampled_from(["\n", "\r\n", "\r"]), bom=st.booleans())
def test_what_was_written_is_read(sent: list[ServerEvent], end: str, bom: bool) -> None:  # noqa: FBT001 - drawn
    text = ("\ufeff" if bom else "") + "".join(written(event, end) for event in sent)
    assert parse_events(text.encode()) == sent


@given(st.binary(max_size=200))
def test_no_bytes_break_it(body: bytes) -> None:
    assert all(isinstance(event, ServerEvent) for event in parse_events(body))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (": comment\n\ndata: a\n\n", [("", "message", "a")]),
        ("data\n\n", [("", "message", "")]),
        ("data:a\ndata:  b\n\n", [("", "message", "a\n b")]),
        ("id: 7\ndata: a\n\ndata: b\n\n", [("7", "message", "a"), ("7", "message", "b")]),
        ("event: tick\n\ndata: a\n\n", [("", "message", "a")]),
        ("retry: 10\nunknown: x\ndata: a\n\n", [("", "message", "a")]),
        ("data: a\n\ndata: broken off\n", [("", "message", "a")]),
        ("id: a\0b\ndata: a\n\n", [("", "message", "a")]),
        ("", []),
    ],
)
def test_the_standard_s_corners(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert parse_events(text.encode()) == [ServerEvent(*event) for event in expected]
