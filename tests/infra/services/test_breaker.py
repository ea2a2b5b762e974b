from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from infra.services.breaker import Breaker, BreakerOpen, State

THRESHOLD = 3
RESET_S = 1.0
PROBE_LIMIT_S = 4.0
# A power of two, so that sums and differences of the clock are exact: the bounds below are met to the last bit.
TICK_S = 1 / 1024


class Trouble(Exception):
    pass


class Oddity(Exception):
    pass


class Bench:
    """A breaker on a clock turned by hand, and calls that end when told."""

    def __init__(self, *, stuck_open: bool = False) -> None:
        self.now_s = 100.0
        self.breaker = Breaker(
            "dependency",
            failures=(Trouble,),
            failures_to_open=THRESHOLD,
            reset_s=RESET_S,
            probe_limit_s=PROBE_LIMIT_S,
            now_s=lambda: self.now_s,
            stuck_open=stuck_open,
        )

    def call(self, error: BaseException | None = None) -> None:
        with self.breaker.guard():
            if error is not None:
                raise error

    def state(self) -> State:
        return self.breaker.state

    def fail(self) -> None:
        with pytest.raises(Trouble):
            self.call(Trouble())

    def break_open(self) -> None:
        for _ in range(THRESHOLD):
            self.fail()
        assert self.breaker.state is State.OPEN


def test_it_opens_at_the_threshold_and_counts_it() -> None:
    bench = Bench()
    for _ in range(THRESHOLD - 1):
        bench.fail()
    assert bench.breaker.state is State.CLOSED
    bench.fail()
    assert (bench.breaker.state, bench.breaker.opened_total) == (State.OPEN, 1)


def test_a_success_between_failures_begins_the_count_again() -> None:
    bench = Bench()
    for _ in range(5 * THRESHOLD):
        bench.fail()
        bench.call()
    assert bench.breaker.state is State.CLOSED


def test_open_sheds_and_says_when_to_come_back() -> None:
    bench = Bench()
    bench.break_open()
    bench.now_s += RESET_S / 4
    with pytest.raises(BreakerOpen) as shed:
        bench.call()
    assert shed.value.retry_after_s == pytest.approx(RESET_S * 3 / 4)


def test_one_probe_goes_and_its_success_closes() -> None:
    bench = Bench()
    bench.break_open()
    bench.now_s += RESET_S
    with bench.breaker.guard():
        assert bench.state() is State.HALF_OPEN
        with pytest.raises(BreakerOpen):
            bench.call()
    assert bench.state() is State.CLOSED
    bench.call()


def test_a_failed_probe_opens_for_another_window() -> None:
    bench = Bench()
    bench.break_open()
    bench.now_s += RESET_S
    bench.fail()
    assert (bench.breaker.state, bench.breaker.opened_total) == (State.OPEN, 1)
    with pytest.raises(BreakerOpen):
        bench.call()
    bench.now_s += RESET_S
    bench.call()
    assert bench.breaker.state is State.CLOSED


@pytest.mark.parametrize("ending", [asyncio.CancelledError(), Oddity(), GeneratorExit()])
def test_a_probe_that_says_nothing_gives_its_place_back(ending: BaseException) -> None:
    bench = Bench()
    bench.break_open()
    bench.now_s += RESET_S
    with pytest.raises(type(ending)):
        bench.call(ending)
    bench.now_s += RESET_S
    bench.call()
    assert bench.breaker.state is State.CLOSED


def test_a_probe_that_never_ends_is_replaced_and_not_heard_later() -> None:
    bench = Bench()
    bench.break_open()
    bench.now_s += RESET_S
    lost = bench.breaker.guard()
    lost.__enter__()
    bench.now_s += PROBE_LIMIT_S
    bench.fail()
    lost.__exit__(None, None, None)
    assert bench.breaker.state is State.OPEN


def test_stragglers_from_before_are_not_heard() -> None:
    bench = Bench()
    straggler = bench.breaker.guard()
    straggler.__enter__()
    bench.break_open()
    straggler.__exit__(None, None, None)
    assert bench.breaker.state is State.OPEN


def test_a_failure_from_before_ends_no_probe() -> None:
    bench = Bench()
    straggler, probe = bench.breaker.guard(), bench.breaker.guard()
    straggler.__enter__()
    bench.break_open()
    bench.now_s += RESET_S
    probe.__enter__()
    with pytest.raises(Trouble):
        end_badly(straggler, Trouble())
    states = [bench.breaker.state]
    probe.__exit__(None, None, None)
    assert [*states, bench.breaker.state] == [State.HALF_OPEN, State.CLOSED]


def test_the_planted_defect_never_lets_a_probe_through() -> None:
    bench = Bench(stuck_open=True)
    bench.break_open()
    bench.now_s += 1000 * RESET_S
    with pytest.raises(BreakerOpen):
        bench.call()


def end_badly(guard: AbstractContextManager[None], error: BaseException) -> None:
    if not guard.__exit__(type(error), error, None):
        raise error


class BreakerMachine(RuleBasedStateMachine):
    """Any order of calls, endings and passing time; what must hold is checked after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.open_calls: list[AbstractContextManager[None]] = []
        self.probe_sent_s = float("-inf")
        self.left_closed_s = float("-inf")

    @property
    def breaker(self) -> Breaker:
        return self.bench.breaker

    @rule()
    def begin(self) -> None:
        before = self.breaker.state
        guard = self.breaker.guard()
        try:
            guard.__enter__()
        except BreakerOpen as shed:
            retry_after_s: float | None = shed.retry_after_s
        else:
            retry_after_s = None
            self.open_calls.append(guard)
        if retry_after_s is not None:
            assert before is not State.CLOSED, "a closed breaker sheds nothing"
            assert 0 < retry_after_s <= PROBE_LIMIT_S, "a shed caller is told when to come back"
            return
        if before is not State.CLOSED:
            assert self.bench.now_s - self.probe_sent_s >= RESET_S, "one probe a window"
            assert self.bench.now_s - self.left_closed_s >= RESET_S, "no probe before the window is over"
            self.probe_sent_s = self.bench.now_s

    @precondition(lambda self: self.open_calls)
    @rule(data=st.data(), ending=st.sampled_from([None, Trouble, Oddity, asyncio.CancelledError]))
    def end(self, data: st.DataObject, ending: type[BaseException] | None) -> None:
        guard = self.open_calls.pop(data.draw(st.integers(0, len(self.open_calls) - 1)))
        before = self.breaker.state
        if ending is None:
            guard.__exit__(None, None, None)
        else:
            with pytest.raises(ending):
                end_badly(guard, ending())
        if before is State.CLOSED and self.breaker.state is not State.CLOSED:
            assert ending is Trouble, "only failures open it"
            self.left_closed_s = self.bench.now_s
        if before is not State.CLOSED and self.breaker.state is State.CLOSED:
            assert ending is None, "only a success closes it"

    @rule(duration_s=st.integers(0, int(3 * RESET_S / TICK_S)).map(lambda ticks: ticks * TICK_S))
    def wait(self, duration_s: float) -> None:
        self.bench.now_s += duration_s

    @invariant()
    def never_stuck(self) -> None:
        if self.breaker.state is not State.CLOSED:
            assert self.breaker._next_probe_s - self.bench.now_s <= PROBE_LIMIT_S

    def teardown(self) -> None:
        """Whatever happened, a dependency that is well again is found within the longest wait."""
        self.bench.now_s += PROBE_LIMIT_S
        self.bench.call()
        assert self.breaker.state is State.CLOSED


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
