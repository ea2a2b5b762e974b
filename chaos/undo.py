"""What puts things back: steps that are plain data, so that anybody can take them from the ledger and carry them out.

Every step is harmless when there is nothing to put back, and says afterwards
what is still amiss: an undoing is done when it has been seen to be.
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
    """What it took to put something back that would not go by itself.

    `how` says it in words. Whatever else is to be undone by a step with all the arguments in `lost` went with it.
    """

    how: str
    lost: Mapping[str, object]

    def struck(self, steps: Sequence[Step]) -> bool:
        """Whether what these steps undo is lost."""
        return any(all(step.args.get(key) == value for key, value in self.lost.items()) for step in steps)


class Action(Protocol):
    """What carries out the steps of one name, in any process, long after the fault; every call is bounded."""

    def carry_out(self, args: Mapping[str, object]) -> Force | None:
        """Put back; harmless when that is done or was never needed. Returns the force it took. Raises ChaosError."""

    def amiss(self, args: Mapping[str, object]) -> str | None:
        """Return None when there is nothing left to put back, otherwise what there is. Raises ChaosError."""


Actions = Mapping[str, Action]


def undo(steps: Sequence[Step], actions: Actions) -> list[Force]:
    """Carry out the steps in reverse order, each verified; one that fails keeps no other from being tried.

    Returns the force it took, where it took any. Raises HealFailed with everything that failed.
    """
    forces, failures = [], []
    for step in reversed(steps):
        try:
            if step.action not in actions:
                raise HealFailed(f"nobody knows how to carry out {step}")
            action = actions[step.action]
            if force := action.carry_out(step.args):
                forces.append(force)
            if amiss := action.amiss(step.args):
                raise HealFailed(f"{step} was carried out, yet {amiss}")
        except ChaosError as error:
            failures.append(str(error))
    if failures:
        raise HealFailed("; ".join(failures))
    return forces
