"""What undoes faults: steps that are plain data, so that any process can take them from the ledger and carry them out.

Every step is harmless when there is nothing to undo, and says afterwards
what remains: an undo is done when it has been observed to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.errors import ChaosError, HealFailed


@dataclass(frozen=True, slots=True)
class Step:
    """One inverse action by its name in the table of actions; `args` are JSON-safe and hold no secret."""

    action: str
    args: Mapping[str, object]

    def __str__(self) -> str:
        return f"{self.action}({', '.join(f'{key}={value}' for key, value in self.args.items())})"


@dataclass(frozen=True, slots=True)
class Force:
    """What it took to undo something that the plain way did not.

    `how` says it in words. All else that is to be undone by a step with all the arguments in `lost` went with it.
    """

    how: str
    lost: Mapping[str, object]

    def struck(self, steps: Sequence[Step]) -> bool:
        """Whether what these steps undo is lost."""
        return any(all(step.args.get(key) == value for key, value in self.lost.items()) for step in steps)


class Action(Protocol):
    """What carries out the steps of one name, in any process, long after the fault; every call is bounded."""

    def carry_out(self, args: Mapping[str, object]) -> Force | None:
        """Undo; harmless when that is done or was never needed. Returns the force it took. Raises ChaosError."""

    def remaining(self, args: Mapping[str, object]) -> str | None:
        """Return None when there is nothing left to undo, otherwise the error. Raises ChaosError."""


Actions = Mapping[str, Action]


def undo(steps: Sequence[Step], actions: Actions) -> list[Force]:
    """Carry out the steps in reverse order, each verified; one that fails keeps no other from being tried.

    Returns the force it took, where it took any. Raises HealFailed with everything that failed.
    """
    forces, failures = [], []
    for step in reversed(steps):
        try:
            if step.action not in actions:
                raise HealFailed(f"unknown undo action {step}")
            action = actions[step.action]
            if force := action.carry_out(step.args):
                forces.append(force)
            if remains := action.remaining(step.args):
                raise HealFailed(f"{step} was carried out, yet {remains}")
        except ChaosError as error:
            failures.append(str(error))
    if failures:
        raise HealFailed("; ".join(failures))
    return forces
