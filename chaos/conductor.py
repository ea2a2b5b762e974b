"""Plays a timeline: injects, proves, heals, verifies; and heals everything whatever stops it.

The clock of a fault window starts when the change is asked for, its effect
counts once a canary has felt it, and recovery is measured from the moment a
canary finds the link whole again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chaos.canary import Seen, Sight
from chaos.faults import Fault, Link
from chaos.timeline import Planned
from harness.clock import Clock
from harness.errors import ChaosError, HealFailed
from harness.records import FaultWindow

# Within this a canary must have felt a fault, or found the link whole. Proxies act at once; a busy machine does not.
_PROOF_S = 5.0
_POLL_S = 0.02
_LOOKS = 3

Note = Callable[..., None]


class Conductor:
    """Plays timelines on `links` (hop to link).

    `now_s` gives the run's own seconds; `note(kind, **detail)` records events; `alive` is called
    while waiting and raises to stop the run early.
    """

    def __init__(
        self,
        links: Mapping[str, Link],
        *,
        clock: Clock,
        now_s: Callable[[], float],
        note: Note,
        alive: Callable[[], None],
    ) -> None:
        self._links = links
        self._clock = clock
        self._now_s = now_s
        self._note = note
        self._alive = alive
        self._broken: list[Planned] = []
        self._before: dict[Planned, Sight] = {}
        self.windows: dict[Planned, FaultWindow] = {}

    def wait_until(self, t_s: float) -> None:
        """Wait for the run's second `t_s`, asking `alive` all the while."""
        while (left_s := t_s - self._now_s()) > 0:
            self._alive()
            self._clock.sleep_s(min(0.1, left_s))

    def play(self, schedule: Sequence[Planned], *, start_s: float) -> None:
        """Play a schedule whose second 0 is the run's second `start_s`; on any exception heal everything first."""
        # At one moment heals come first: the next fault on that hop must find the link whole.
        steps = [(p.heal_s, self._heal, p) for p in schedule]
        steps += [(p.inject_s, self._inject, p) for p in schedule]
        try:
            for at_s, act, planned in sorted(steps, key=lambda step: step[0]):
                self.wait_until(start_s + at_s)
                act(planned)
        except BaseException:
            self.heal_all()
            raise

    def heal_all(self) -> None:
        """Undo whatever is still broken, the last fault first; one that fails stops no other.

        Raises HealFailed, or what else struck a heal: an interrupt, a record that cannot be written.
        """
        failures: list[BaseException] = []
        for planned in reversed(self._broken.copy()):
            try:
                self._heal(planned)
            except BaseException as error:  # noqa: BLE001 - whatever strikes one heal, the others are still to be tried
                failures.append(error)
        for failure in failures:
            if not isinstance(failure, ChaosError):
                raise failure
        if failures:
            raise HealFailed("; ".join(str(failure) for failure in failures))

    def _inject(self, planned: Planned) -> None:
        fault = planned.fault
        link = self._links[fault.hop]
        before = self._before[planned] = _quickest(link)
        self.windows[planned] = FaultWindow(fault.kind, fault.hop, self._now_s(), None, None, None)
        # Remembered before the first change, so that a half-made one is undone too.
        self._broken.append(planned)
        self._tell("injected", fault)
        fault.inject(link)
        doubt = self._wait_for(lambda: self._missing_effect(fault, link, before))
        if doubt is None:
            self._change(planned, proved_s=self._now_s())
            self._tell("proved", fault)
        else:
            self._change(planned, note=doubt)
            self._tell("not_proved", fault, reason=doubt)

    def _heal(self, planned: Planned) -> None:
        fault = planned.fault
        link = self._links[fault.hop]
        try:
            self._change(planned, healing_s=self._now_s())
            self._tell("healing", fault)
        finally:
            # Mended even when it cannot be told.
            self._undo(planned, link)
        doubt = self._wait_for(lambda: self._remaining_effect(fault, link, self._before[planned]))
        if doubt is None:
            self._change(planned, healed_s=self._now_s())
            self._tell("healed", fault)
        else:
            self._change(planned, note=doubt)
            self._tell("not_healed", fault, reason=doubt)

    def _undo(self, planned: Planned, link: Link) -> None:
        fault = planned.fault
        try:
            fault.undo(link)
            if not (state := link.state()).whole:
                raise HealFailed(f"{fault.kind} on {fault.hop} was undone, yet the link reads {state}")
        except ChaosError as error:
            self._change(planned, note=str(error))
            raise
        self._broken.remove(planned)

    def _missing_effect(self, fault: Fault, link: Link, before: Sight) -> str | None:
        if before.seen is not Seen.ANSWERED:
            return f"the link was not whole before the fault: the canary was {before}"
        return fault.doubt(before, link.look())

    def _remaining_effect(self, fault: Fault, link: Link, before: Sight) -> str | None:
        now = link.look()
        if now.seen is Seen.ANSWERED and fault.doubt(before, now) is not None:
            return None
        return f"healed, but the canary was {now}"

    def _wait_for(self, doubt: Callable[[], str | None]) -> str | None:
        ends_s = self._clock.now_s() + _PROOF_S
        while (amiss := doubt()) is not None and self._clock.now_s() < ends_s:
            self._clock.sleep_s(_POLL_S)
        return amiss

    def _change(self, planned: Planned, **values: Any) -> None:
        self.windows[planned] = dataclasses.replace(self.windows[planned], **values)

    def _tell(self, step: str, fault: Fault, **detail: object) -> None:
        self._note("fault", step=step, fault=fault.kind, target=fault.hop, **fault.describe(), **detail)


def _quickest(link: Link) -> Sight:
    """Look a few times and return the quickest answer, for one slow look would hide the delay of a fault."""
    sights = [link.look() for _ in range(_LOOKS)]
    return min(sights, key=lambda sight: (sight.seen is not Seen.ANSWERED, sight.took_s))
