"""Plays a timeline: injects, proves, heals, verifies; and heals everything in any case.

What will undo a fault is on the disk before the fault is done. The clock of a
fault window starts when the change is asked for, its effect counts once a look
has seen it, and recovery is measured from the moment a look finds the target
as it was. Looks are taken on threads of their own, for one that hangs must
keep no other fault from coming and going in time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from chaos.faults.fault import Adjustable, Aimed
from chaos.healing.ledger import Ledger, UndoEntry
from chaos.observed import Observed, State
from chaos.profile.timeline import Change, Planned
from chaos.targets import Targets
from chaos.undo import Actions, Force, undo
from harness.clock import Clock
from harness.errors import ChaosError, HealFailed
from harness.records import FaultWindow

# Within this a look must have seen a fault, or found it gone. Proxies act at once; a busy machine does not.
_PROOF_S = 5.0
_POLL_S = 0.02
_LOOKS = 3
# How much longer than planned a fault may be there before the guardian undoes it: proof, and calls at their limits.
_OVERTIME_S = 60.0
# A look that has not ended by then is one that hangs for ever: each has a limit of its own far below.
_LOOK_S = 30.0

Note = Callable[..., None]


@dataclass
class _Open:
    """A fault that is not undone: its target, what was observed before it, and the observation under way."""

    planned: Planned
    aimed: Aimed
    before: Observed
    proof_ends_s: float = 0.0
    proving: bool = False
    observe: Future[Observed] | None = None


class Conductor:
    """Plays timelines on `targets`.

    `actions` carry out what undoes a fault and `ledger` keeps it; looks are taken on `lookers`; `now_s` gives the
    run's own seconds; `note(kind, **detail)` records events; `alive` is called while waiting and raises to stop the
    run early; `permit` is called before every injection and raises Refused where nothing may be broken.
    """

    def __init__(
        self,
        targets: Targets,
        *,
        ledger: Ledger,
        actions: Actions,
        lookers: Executor,
        clock: Clock,
        now_s: Callable[[], float],
        note: Note,
        alive: Callable[[], None],
        permit: Callable[[], None] = lambda: None,
    ) -> None:
        self._targets = targets
        self._ledger = ledger
        self._actions = actions
        self._lookers = lookers
        self._clock = clock
        self._now_s = now_s
        self._note = note
        self._alive = alive
        self._permit = permit
        self._open: dict[Planned, _Open] = {}
        self.windows: dict[Planned, FaultWindow] = {}

    def wait_until(self, t_s: float) -> None:
        """Wait for the run's second `t_s`, asking `alive` and proving faults all the while."""
        while (left_s := t_s - self._now_s()) > 0:
            self._alive()
            self._prove()
            proving = any(opened.proving for opened in self._open.values())
            self._clock.sleep_s(min(_POLL_S if proving else 0.1, left_s))

    def play(self, schedule: Sequence[Planned], *, start_s: float) -> None:
        """Play a schedule whose second 0 is the run's second `start_s`; on any exception heal everything first."""
        # At one moment heals come first: the next fault on that target must find it whole.
        steps: list[tuple[float, Callable[[], None]]] = [(p.heal_s, partial(self._heal, p)) for p in schedule]
        steps += [(p.inject_s, partial(self._inject, p)) for p in schedule]
        steps += [(c.at_s, partial(self._adjust, p, c)) for p in schedule for c in p.course]
        try:
            for at_s, act in sorted(steps, key=lambda step: step[0]):
                self.wait_until(start_s + at_s)
                act()
        except BaseException:
            self.heal_all()
            raise

    def heal_all(self) -> None:
        """Undo all that is still broken, the last fault first; one that fails stops no other.

        Raises HealFailed, or what else struck a heal: an interrupt, a record that cannot be written.
        """
        failures: list[BaseException] = []
        for opened in reversed(list(self._open.values())):
            if opened.proving:
                opened.proving = False
                self._doubt(opened.planned, "stopped before its effect was seen")
            try:
                self._put_back(opened)
            except BaseException as error:  # noqa: BLE001 - after any error of one heal, the others are still to be tried
                failures.append(error)
        for failure in failures:
            if not isinstance(failure, ChaosError):
                raise failure
        if failures:
            raise HealFailed("; ".join(str(failure) for failure in failures))

    def _inject(self, planned: Planned) -> None:
        fault = planned.fault
        self._permit()
        aimed = fault.aim(self._targets, planned.name)
        before = self._best_look(aimed)
        self.windows[planned] = FaultWindow(fault.kind, fault.target, self._now_s(), None, None, None)
        expires_s = time.time() + planned.heal_s - planned.inject_s + _OVERTIME_S
        self._ledger.open(UndoEntry(planned.name, fault.kind, fault.target, tuple(aimed.undo()), expires_s))
        # Remembered before the first change, so that a half-made one is undone too.
        opened = self._open[planned] = _Open(planned, aimed, before)
        self._tell("injected", planned)
        aimed.inject()
        self._ledger.mark(planned.name, "injected")
        opened.proving, opened.proof_ends_s = True, self._clock.now_s() + _PROOF_S
        self._prove()

    def _adjust(self, planned: Planned, change: Change) -> None:
        if opened := self._open.get(planned):
            cast("Adjustable", opened.aimed).adjust(change.fault)
            self._note("fault_change", **_named(planned), **change.fault.describe())

    def _heal(self, planned: Planned) -> None:
        opened = self._open[planned]
        while opened.proving:
            # A fault whose effect is still looked for is not over: it would have been there for nothing.
            self._clock.sleep_s(_POLL_S)
            self._prove()
        self._put_back(opened)

    def _put_back(self, opened: _Open) -> None:
        planned = opened.planned
        try:
            self._change(planned, healing_s=self._now_s())
            self._tell("healing", planned)
        finally:
            # Undone even when it cannot be recorded.
            self._undo(opened)
        doubt = self._wait_for_heal(opened)
        if doubt is None:
            self._change(planned, healed_s=self._now_s())
            self._tell("healed", planned)
        else:
            self._doubt(planned, doubt)
            self._tell("not_healed", planned, reason=doubt)

    def _undo(self, opened: _Open) -> None:
        planned = opened.planned
        try:
            forces = undo(opened.aimed.undo(), self._actions)
        except ChaosError as error:
            self._doubt(planned, str(error))
            raise
        del self._open[planned]
        if forces:
            self._tell_forced(planned, forces)
        # What cannot be written down on a full disk will be undone once more, which is harmless.
        with contextlib.suppress(ChaosError):
            self._ledger.shut(planned.name)

    def _tell_forced(self, planned: Planned, forces: Sequence[Force]) -> None:
        """Record what a heal did beyond undoing its fault, and each other fault that went with it."""
        how = "; ".join(dict.fromkeys(force.how for force in forces))
        self._change(planned, forced=how)
        self._tell("forced", planned, reason=how)
        for other in self._open.values():
            if any(force.struck(other.aimed.undo()) for force in forces):
                other.proving = False
                self._change(other.planned, proved_s=None)
                self._tell_proof(other.planned, f"lost when {self.windows[planned].name} was healed: {how}")

    def _prove(self) -> None:
        """Take a look at each fault that is not proved yet, and see what the last one saw."""
        for opened in [each for each in self._open.values() if each.proving]:
            opened.observe = opened.observe or self._lookers.submit(opened.aimed.observe)
            if opened.observe.done():
                doubt = opened.aimed.missing(opened.before, opened.observe.result())
                opened.observe = None
                if doubt is None or self._clock.now_s() >= opened.proof_ends_s:
                    opened.proving = False
                    self._tell_proof(opened.planned, doubt)

    def _tell_proof(self, planned: Planned, doubt: str | None) -> None:
        if doubt is None:
            self._change(planned, proved_s=self._now_s())
            self._tell("proved", planned)
        else:
            self._doubt(planned, doubt)
            self._tell("not_proved", planned, reason=doubt)

    def _wait_for_heal(self, opened: _Open) -> str | None:
        ends_s = self._clock.now_s() + _PROOF_S
        while (remains := opened.aimed.remaining(opened.before, self._look(opened.aimed))) is not None:
            if self._clock.now_s() >= ends_s:
                break
            self._clock.sleep_s(_POLL_S)
        return remains

    def _look(self, aimed: Aimed) -> Observed:
        """Take a look, and see meanwhile what those at other faults saw."""
        look = self._lookers.submit(aimed.observe)
        ends_s = self._clock.now_s() + _LOOK_S
        while not look.done():
            wait([look], timeout=_POLL_S)
            self._prove()
            if self._clock.now_s() >= ends_s:
                raise ChaosError(f"a look that hung for {_LOOK_S:.0f} s, beyond every limit of its own")
        return look.result()

    def _best_look(self, aimed: Aimed) -> Observed:
        """Look a few times and return the quickest that is as good as any: one slow look would hide a fault's delay."""
        observations = [self._look(aimed)]
        while len(observations) < _LOOKS and observations[-1].state is not State.HUNG:
            observations.append(self._look(aimed))
        whole = [observed for observed in observations if observed.state in _WHOLE]
        return min(whole or observations, key=lambda observed: observed.took_s)

    def _doubt(self, planned: Planned, doubt: str) -> None:
        """Note a doubt about a fault, beside those there are."""
        before = self.windows[planned].note
        self._change(planned, note=f"{before}; {doubt}" if before else doubt)

    def _change(self, planned: Planned, **values: Any) -> None:
        self.windows[planned] = dataclasses.replace(self.windows[planned], **values)

    def _tell(self, step: str, planned: Planned, **detail: object) -> None:
        self._note("fault", step=step, **_named(planned), **planned.fault.describe(), **detail)


# How a look at a target ends that nothing is wrong with.
_WHOLE = frozenset({State.ANSWERED, State.RUNNING, State.THERE})


def _named(planned: Planned) -> dict[str, object]:
    return {"fault": planned.fault.kind, "target": planned.fault.target}
