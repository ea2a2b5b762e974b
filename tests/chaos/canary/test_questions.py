"""Questions: as large as asked for, and an answer that was cut anywhere is never taken for a whole one."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.canary.questions import END, FIRST, LATER, MOST_BYTES, SMALL, large, requests
from chaos.direction import Stream

STREAMS: list[Stream] = ["upstream", "downstream"]
protocols = st.sampled_from(sorted(MOST_BYTES))
HTTP = b"HTTP/1.1 200 OK\r\ndate: now\r\nContent-Length: 14\r\n\r\n" + b'{"alive":true}'
ERROR = b"E" + struct.pack("!i", 4 + 7) + b"SFATAL\0"
NEGOTIATE = b"v" + struct.pack("!iii", 4 + 8 + 7, 3 << 16, 1) + b"_pq_.a\0"


@given(protocols, st.sampled_from(STREAMS), st.integers(1, 2_000_000))
def test_a_large_question_carries_what_was_asked_for_up_to_the_most(
    protocol: str, stream: Stream, size_bytes: int
) -> None:
    asked = large(protocol, stream, size_bytes).ask
    wanted = min(size_bytes, MOST_BYTES[protocol][stream])
    if stream == "upstream":
        assert wanted <= len(asked) <= 1.1 * wanted + 300
    # What asks for much carries little itself; PostgreSQL sends back just what it was sent.
    elif protocol == "redis":
        assert len(asked) <= wanted / 20 + 50


@given(st.integers(1, 40), st.data())
def test_http_answers_are_whole_only_to_the_last_byte(number: int, data: st.DataObject) -> None:
    whole = requests(number, "/health").whole
    answer = HTTP * number
    assert whole(answer)
    assert not whole(answer[: data.draw(st.integers(0, len(answer) - 1))])
    assert not whole(answer + HTTP)


def test_an_http_answer_without_a_length_lasts_until_the_end() -> None:
    whole = requests(1, "/health").whole
    assert whole(b"HTTP/1.0 200 OK\r\n\r\nbody")


@given(st.data())
def test_postgres_answers_are_whole_only_to_the_last_byte(data: st.DataObject) -> None:
    whole = large("postgres", "downstream", 100).whole
    answer = NEGOTIATE + ERROR
    assert whole(answer)
    assert not whole(answer[: data.draw(st.integers(0, len(answer) - 1))])
    assert not whole(NEGOTIATE)


@given(st.binary(max_size=200))
def test_whatever_comes_is_judged_without_an_error(answer: bytes) -> None:
    for protocol in MOST_BYTES:
        large(protocol, "downstream", 100).whole(answer)


def test_a_redis_answer_ends_with_its_farewell() -> None:
    whole = large("redis", "upstream", 100).whole
    assert whole(b"+PONG\r\n+OK\r\n")
    assert whole(b"-NOAUTH Authentication required.\r\n+OK\r\n")
    assert not whole(b"+PONG\r\n")
    assert not whole(b"")


@pytest.mark.parametrize("protocol", sorted(MOST_BYTES))
def test_every_protocol_has_every_question(protocol: str) -> None:
    assert all(protocol in table for table in (SMALL, FIRST, LATER, END))
