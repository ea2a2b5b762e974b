from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from infra.services.broker import _Channel, _deliver

EPOCH = b"e1"


def hear(payloads: list[bytes]) -> list[Any]:
    channel, told = _Channel("news"), list[str]()
    channel.listeners.add(told.append)
    for payload in payloads:
        _deliver(channel, payload)
    return [json.loads(text) for text in told]


def message(number: int, epoch: bytes = EPOCH) -> bytes:
    return b'message %b %d {"n": 1}' % (epoch, number)


def mark(number: int, epoch: bytes = EPOCH) -> bytes:
    return b"mark %b %d " % (epoch, number)


@given(st.integers(0, 2**53), st.lists(st.sampled_from(["heard", "lost", "mark", "lost mark"])))
def test_every_number_is_delivered_or_told_as_missed_once_and_in_order(begun: int, history: list[str]) -> None:
    number, payloads = begun, [mark(begun)]
    for event in history:
        number += event in {"heard", "lost"}
        if event == "heard":
            payloads.append(message(number))
        elif event == "mark":
            payloads.append(mark(number))
    accounted: list[int] = []
    for told in hear([*payloads, mark(number)]):
        if told["type"] == "message":
            accounted.append(told["sequence"])
        else:
            missed = range(told["first"], told["last"] + 1)
            assert told["missed"] == len(missed) > 0
            accounted.extend(missed)
    assert accounted == list(range(begun + 1, number + 1))


@given(st.integers(0, 9), st.integers(0, 9), st.booleans())
def test_a_count_that_was_lost_is_told_without_numbers(before: int, after: int, is_message: bool) -> None:  # noqa: FBT001 - drawn
    told = hear([mark(before), message(after, b"e2") if is_message else mark(after, b"e2")])
    assert told[0] == {"type": "gap", "channel": "news", "first": None, "last": None, "missed": None}
    assert [each["sequence"] for each in told[1:]] == ([after] if is_message else [])


def test_a_count_that_went_back_is_told_too() -> None:
    assert [told["type"] for told in hear([mark(5), message(3), message(4)])] == ["gap", "message", "message"]


def test_the_first_thing_heard_is_the_beginning() -> None:
    assert [told["type"] for told in hear([message(7), message(8)])] == ["message", "message"]
