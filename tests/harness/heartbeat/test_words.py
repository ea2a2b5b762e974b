"""A canary's words go into the journal and come back, to the fault that they are about."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.heartbeat.looks import Returned
from harness.heartbeat.words import Word, read_words, write_word
from harness.records import Event
from harness.stats.recovery import Recovery
from tests.harness.runs import fault

seconds = st.floats(0, 1e4)
counts = st.integers(0, 10**6)


@st.composite
def words(draw: st.DrawFn) -> Word:
    observed_s = draw(seconds)
    first, lasting = (Recovery(draw(seconds), draw(st.none() | seconds), observed_s) for _ in range(2))
    seen = Returned(first, lasting, draw(counts), draw(counts), draw(st.booleans()), draw(seconds), draw(seconds))
    return Word(seen, tuple(draw(st.lists(st.text(max_size=5), max_size=3))), draw(counts))


def event(step: str, healed_s: float, word: Word | None = None, **changes: Any) -> Event:
    detail = {"step": step, "fault": "down", "target": "api_redis", "healed_s": healed_s}
    return Event(healed_s + 4, "canary", json.loads(json.dumps(detail | (write_word(word) if word else {}) | changes)))


@given(words(), words())
def test_each_word_comes_back_whole_to_the_fault_that_healed_last_before_it(one: Word, other: Word) -> None:
    faults = [fault(40.0, 50.0), fault(60.0, 70.0), fault(80.0, None)]
    events = [event("looking", 50.001), event("seen", 50.001, one), event("looking", 70.2), event("seen", 70.2, other)]
    assert read_words(events, faults) == {faults[0]: one, faults[1]: other}


def test_who_began_to_look_and_said_no_more_saw_nothing_to_its_end() -> None:
    down = fault(40.0, 50.0)
    (word,) = read_words([event("looking", 50.001, amid=["down api_postgres"])], [down]).values()
    assert (word.returned.lasting, word.returned.first_success) == (Recovery(0, None, 0),) * 2
    assert word.amid == ("down api_postgres",)


def test_what_is_about_no_fault_of_the_run_is_nobodys() -> None:
    events = [event("seen", 49.0), event("seen", 51.0, target="api_postgres"), event("failed", 51.0)]
    assert read_words(events, [fault(40.0, 50.0)]) == {}
