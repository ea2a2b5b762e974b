"""Waits end when their condition holds, and at their limit: never before the condition was asked once."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clock import ManualClock
from harness.errors import NotReady
from harness.wait import comes_true, wait_until


@given(st.integers(0, 20), st.integers(0, 20))
def test_a_wait_ends_with_its_condition_or_at_its_limit(polls: int, limit_s: int) -> None:
    seen, clock = itertools.chain((f"look {n}" for n in range(polls)), itertools.repeat(None)), ManualClock(5.0)
    if polls <= limit_s:
        assert wait_until("it", lambda: next(seen), limit_s=limit_s, clock=clock, poll_s=1.0) == polls
    else:
        with pytest.raises(NotReady) as caught:
            wait_until("it", lambda: next(seen), limit_s=limit_s, clock=clock, poll_s=1.0)
        assert (caught.value.what, caught.value.waited_s) == ("it", limit_s)
        assert caught.value.last_seen == f"look {limit_s}"


def test_a_condition_comes_true_or_does_not() -> None:
    answers = iter([False, True])
    assert comes_true(lambda: next(answers), limit_s=10, poll_s=0.0)
    assert not comes_true(lambda: False, limit_s=0.0)
    assert comes_true(lambda: True, limit_s=-1.0)


def test_what_a_condition_raises_is_raised() -> None:
    with pytest.raises(KeyError):
        comes_true(lambda: {"x": True}["y"], limit_s=10)
