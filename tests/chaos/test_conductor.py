"""The conductor: proof before a window counts, and links left whole whatever stops it, at whichever moment."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.conductor import Conductor
from chaos.faults.links.down import DownFault
from chaos.faults.links.latency import LatencyFault
from chaos.faults.noop import Noop
from chaos.healing.ledger import FILE_NAME, Ledger, read_ledger
from chaos.observed import Observed
from chaos.profile.timeline import At, Planned, expand
from chaos.targets import Targets
from chaos.undo import undo
from harness.clock import ManualClock, RealClock
from harness.errors import ChaosError, HealFailed, JournalError, Refused
from harness.records import FaultWindow
from tests.chaos.fakes import FakeLink, Inline, Strike, fake_actions
from tests.chaos.profile.test_timeline import timelines
from tests.chaos.staged import BUSY, START_S, Stage, calls_of, stage

PROOF_S = 5.0


class TiringLink(FakeLink):
    """One that goes slow for a reason of its own, just as its toxics are taken off."""

    def remove(self, name: str) -> None:
        super().remove(name)
        self.slow_s = 0.5


class SleepyLink(FakeLink):
    """One whose first answer takes longer than any fault here."""

    def observe(self) -> Observed:
        observed = super().observe()
        return dataclasses.replace(observed, took_s=0.5) if self.calls.count("look") == 1 else observed


class UnbreakableLink(FakeLink):
    """One that cannot be closed."""

    def set_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - the protocol's own
        if not enabled:
            raise ChaosError("will not break")
        super().set_enabled(enabled)


def test_a_fault_is_injected_proved_healed_and_verified_at_its_times() -> None:
    one = stage()
    (window,) = one.play([At(1.0, 2.0, LatencyFault("a", 0.2))])
    assert [step for _, step, _, _ in one.told] == ["injected", "proved", "healing", "healed"]
    assert [round(t_s, 3) for t_s, *_ in one.told] == [4.0, 4.0, 6.0, 6.0]
    assert window.proved_s is not None
    assert window.healed_s is not None
    assert window.healing_s is not None
    assert window.injected_s <= window.proved_s < window.healing_s <= window.healed_s
    assert (window.name, window.note) == ("latency a", "")


def test_the_link_is_changed_after_the_telling_and_looked_at_before_and_after() -> None:
    one = stage()
    one.play([At(0.0, 1.0, LatencyFault("a", 0.2))])
    calls = one.links["a"].calls
    assert calls == [
        *("look", "look", "look", "add f1_latency_up", "add f1_latency_down", "look"),
        *("remove f1_latency_down", "state", "remove f1_latency_up", "state", "look"),
    ]


def test_a_window_counts_only_from_the_moment_it_is_felt() -> None:
    one = stage()
    one.links["a"].feels_after = 10
    (window,) = one.play([At(0.0, 2.0, DownFault("a"))])
    assert window.proved_s is not None
    # The first look is taken at once, and again before the waiting begins.
    assert window.proved_s - window.injected_s == pytest.approx(9 * 0.02)


def test_one_slow_look_before_it_hides_no_fault() -> None:
    (window,) = Stage({"a": SleepyLink("a")}).play([At(0.0, 1.0, LatencyFault("a", 0.2))])
    assert window.proved_s is not None


def test_a_fault_that_is_never_felt_is_not_proved_and_says_why() -> None:
    one = stage()
    one.links["a"].numb = True
    (window,) = one.play([At(0.0, 1.0, LatencyFault("a", 0.2))])
    assert window.proved_s is None
    assert window.healed_s is not None
    assert "added 200 ms, but the canary was answered" in window.note
    assert one.reasons == [window.note]
    assert one.steps("not_proved") == [("latency", "a")]
    assert one.steps("proved") == []
    # Given up within the limit, and healed at once where that was later than planned.
    assert window.healing_s == pytest.approx(START_S + PROOF_S, abs=0.1)
    assert not one.broken()


def test_a_fault_on_a_link_that_was_not_whole_proves_nothing() -> None:
    one = stage()
    one.links["a"].enabled = False
    (window,) = one.play([At(0.0, 1.0, DownFault("a"))])
    assert window.proved_s is None
    assert window.note.startswith("the link was not whole before the fault: the canary was refused")


def test_a_link_that_stays_slow_after_the_undoing_is_not_called_healed() -> None:
    one = Stage({"a": TiringLink("a")})
    (window,) = one.play([At(0.0, 1.0, LatencyFault("a", 0.2))])
    assert window.proved_s is not None
    assert window.healed_s is None
    assert window.note.startswith("healed, but the canary was answered after 500 ms")
    assert one.steps("not_healed") == [("latency", "a")]


def test_faults_on_different_hops_overlap_and_what_meets_on_one_hop_is_healed_first() -> None:
    one = stage()
    windows = one.play(BUSY)
    assert all(w.proved_s is not None and w.healed_s is not None for w in windows)
    order = [(step, fault, hop) for _, step, fault, hop in one.told if hop == "b"]
    assert order.index(("healed", "down", "b")) < order.index(("injected", "latency", "b"))
    assert [step for _, step, _, hop in one.told if hop in "ab"][:6] == [
        *("injected", "proved", "injected", "proved", "healing", "healed")
    ]


def test_a_heal_that_took_force_says_so_and_doubts_what_went_with_it() -> None:
    one = stage()
    one.links["a"].wedged = True
    one.links["c"].address = "fake:2"
    entries = [At(0.0, 9.0, DownFault("b")), At(0.0, 9.0, DownFault("c")), At(1.0, 1.0, LatencyFault("a", 0.2))]
    lost, spared, forced = one.play(entries)
    assert (forced.name, forced.forced, forced.note) == ("latency a", "it was started again", "")
    assert forced.proved_s is not None
    assert forced.healed_s is not None
    told = "lost when latency a was healed: it was started again"
    assert (lost.name, lost.proved_s, lost.note) == ("down b", None, told)
    assert spared.proved_s is not None
    assert (spared.note, spared.forced) == ("", "")
    assert one.steps("not_proved") == [("down", "b")]
    assert not one.broken()


def test_whatever_is_broken_is_healed_in_reverse_order() -> None:
    one = Stage({"a": FakeLink("a"), "b": FakeLink("b"), "c": UnbreakableLink("c")})
    entries = [
        At(0.0, 9.0, LatencyFault("a", 0.2)),
        At(1.0, 9.0, DownFault("b")),
        At(5.0, 1.0, DownFault("c")),
    ]
    with pytest.raises(ChaosError, match="will not break"):
        one.play(entries)
    assert one.steps("healing") == [("down", "c"), ("down", "b"), ("latency", "a")]
    assert not one.broken()


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, JournalError, ChaosError, ZeroDivisionError])
def test_stopped_at_any_call_every_link_is_whole(error: type[BaseException], *, late: bool) -> None:
    for at in range(calls_of(BUSY)):
        one = stage(at=[at], error=error, late=late)
        struck = None
        try:
            one.play(BUSY)
        except error as raised:
            struck = str(raised)
        # A ledger that cannot be told of a heal stops nothing: whoever heals next puts back once more, in vain.
        assert struck == f"struck at call {at}" or (error is ChaosError and one.ledger.left_open())
        assert not one.broken(), f"stopped at call {at}"
        assert not any(window.healed_s for window in one.conductor.windows.values() if window.healing_s is None)


@settings(deadline=None)
@given(st.data())
def test_stopped_again_while_healing_the_next_healing_leaves_every_link_whole(data: st.DataObject) -> None:
    first = data.draw(st.integers(0, calls_of(BUSY) - 1))
    again = data.draw(st.integers(first + 1, first + 60))
    one = stage(at=[first, again], late=data.draw(st.booleans()))
    with pytest.raises(KeyboardInterrupt):
        one.play(BUSY)
    one.strike.at = frozenset()
    one.conductor.heal_all()
    assert not one.broken()


def test_a_record_that_cannot_be_written_does_not_keep_a_link_broken() -> None:
    one = stage()
    entries = [At(0.0, 9.0, LatencyFault("a", 0.2)), At(1.0, 9.0, DownFault("b"))]
    schedule = expand(entries, seed=1)
    for planned in schedule:
        one.conductor._inject(planned)
    one.mute = True
    with pytest.raises(JournalError):
        one.conductor.heal_all()
    assert not one.broken()


@pytest.mark.parametrize("error", [ChaosError, ZeroDivisionError])
def test_one_heal_that_fails_stops_no_other(error: type[Exception]) -> None:
    one = stage()
    one.links["b"].stuck = error
    entries = [At(0.0, 3.0, LatencyFault("a", 0.2)), At(1.0, 1.0, DownFault("b")), At(1.5, 5.0, DownFault("c"))]
    with pytest.raises(HealFailed if error is ChaosError else error, match="b is stuck"):
        one.play(entries)
    assert one.broken() == ["b"]
    windows = {w.target: w for w in one.conductor.windows.values()}
    assert windows["b"].healed_s is None
    assert windows["a"].healed_s is not None
    assert windows["c"].healed_s is not None


def test_a_heal_that_did_nothing_is_found_out_by_reading_back() -> None:
    one = stage()
    one.links["a"].lying = True
    with pytest.raises(HealFailed, match="was carried out, yet f1_latency_down is still there"):
        one.play([At(0.0, 1.0, LatencyFault("a", 0.2))])
    (window,) = one.conductor.windows.values()
    assert window.healed_s is None
    assert "was carried out, yet" in window.note


def test_every_failed_heal_is_named() -> None:
    one = stage()
    one.links["a"].stuck = one.links["b"].stuck = ChaosError
    with pytest.raises(HealFailed, match=r"b is stuck; a is stuck"):
        one.play([At(0.0, 3.0, LatencyFault("a", 0.2)), At(1.0, 1.0, DownFault("b"))])


def test_healing_again_is_harmless() -> None:
    one = stage()
    one.play(BUSY)
    told = len(one.told)
    one.conductor.heal_all()
    assert len(one.told) == told


def test_a_wait_asks_whether_to_go_on() -> None:
    clock = ManualClock()
    alive = Strike(frozenset({20}), ZeroDivisionError)
    one = stage()
    conductor = Conductor(
        Targets(),
        ledger=one.ledger,
        actions={},
        lookers=Inline(),
        clock=clock,
        now_s=clock.now_s,
        note=print,
        alive=alive,
    )
    with pytest.raises(ZeroDivisionError):
        conductor.wait_until(1000.0)
    assert clock.now_s() == pytest.approx(2.0)


@settings(deadline=None)
@given(timelines())
def test_any_timeline_is_played_to_its_end_with_every_window_proved_and_healed(entries: list[At]) -> None:
    one = stage()
    one.play(entries)
    planned = expand(entries, seed=1)
    assert list(one.conductor.windows) == planned
    for entry, window in one.conductor.windows.items():
        _assert_as_planned(entry, window)
    assert not one.broken()
    injected = sorted((t_s, hop) for t_s, step, _, hop in one.told if step == "injected")
    assert [round(t_s, 6) for t_s, _ in injected] == [START_S + p.inject_s for p in planned]


def _assert_as_planned(planned: Planned, window: FaultWindow) -> None:
    assert window.injected_s == pytest.approx(START_S + planned.inject_s)
    assert window.proved_s is not None
    assert window.healing_s is not None
    assert window.healed_s is not None
    assert window.healing_s == pytest.approx(START_S + planned.heal_s)
    assert window.injected_s <= window.proved_s <= window.healing_s <= window.healed_s
    assert window.note == ""


def test_what_undoes_a_fault_is_in_the_ledger_before_the_link_is_touched() -> None:
    """Whatever call the run is killed at, as far as others can see it: nothing is broken that no open entry undoes."""
    for at in range(calls_of(BUSY)):
        one = stage(at=[at], error=SystemExit, late=True)
        seen: list[bool] = []

        def frozen(one: Stage = one, seen: list[bool] = seen) -> None:
            steps = [step for name in one.ledger.left_open() for step in one.ledger.steps(name)]
            undo(steps, fake_actions({name: link.alone() for name, link in one.links.items()}))
            seen.append(not one.broken())

        one.conductor.heal_all = frozen  # type: ignore[method-assign] # the killed run heals nothing itself
        with pytest.raises(SystemExit):
            one.play(BUSY)
        assert seen == [True], f"killed at call {at}"


def test_nothing_is_broken_without_a_permit() -> None:
    def refuse() -> None:
        raise Refused("a stranger's database")

    one = Stage({"a": FakeLink("a")}, permit=refuse)
    with pytest.raises(Refused, match="a stranger's database"):
        one.play([At(0.0, 1.0, DownFault("a"))])
    assert one.links["a"].calls == []
    assert one.ledger.records == []


def test_faults_of_different_parts_share_a_hop() -> None:
    one = stage()
    both = [At(0.0, 3.0, LatencyFault("a", 0.2)), At(1.0, 1.0, Noop("a"))]
    assert all(w.proved_s is not None and w.healed_s is not None for w in one.play(both))


def test_a_look_that_hangs_keeps_no_other_fault_from_coming_in_time(tmp_path: Path) -> None:
    """On real threads and the real clock: a canary hangs until the next fault has been injected, two others pass."""
    clock, told = RealClock(), list[str]()
    other_is_there = threading.Event()

    class HangingLink(FakeLink):
        def observe(self) -> Observed:
            if self.toxics and not other_is_there.wait(10.0):
                raise ChaosError("the next fault waited for this look")
            return super().observe()

    links = {"a": HangingLink("a"), "b": FakeLink("b")}

    def note(_kind: str, *, step: str, fault: str, target: str, **_detail: object) -> None:
        told.append(f"{step} {fault} {target}")
        if (step, target) == ("injected", "b"):
            other_is_there.set()

    with ThreadPoolExecutor() as lookers, contextlib.closing(Ledger(tmp_path)) as ledger:
        began_s = clock.now_s()
        conductor = Conductor(
            Targets(links=links),
            ledger=ledger,
            actions=fake_actions(links),
            lookers=lookers,
            clock=clock,
            now_s=lambda: clock.now_s() - began_s,
            note=note,
            alive=lambda: None,
        )
        entries = [At(0.0, 0.3, LatencyFault("a", 0.2)), At(0.1, 0.1, DownFault("b"))]
        conductor.play(expand(entries, seed=1), start_s=0.0)
    assert told.index("injected down b") < told.index("proved latency a")
    assert read_ledger(tmp_path / FILE_NAME).open == ()
