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


class Action(Protocol):
    """What carries out the steps of one name, in any process, long after the fault; every call is bounded."""

    def carry_out(self, args: Mapping[str, object]) -> None:
        """Put back; harmless when that is done or was never needed. Raises ChaosError."""

    def amiss(self, args: Mapping[str, object]) -> str | None:
        """Return None when there is nothing left to put back, otherwise what there is. Raises ChaosError."""


Actions = Mapping[str, Action]


def undo(steps: Sequence[Step], actions: Actions) -> None:
    """Carry out the steps in reverse order, each verified; one that fails keeps no other from being tried.

    Raises HealFailed with everything that failed.
    """
    failures = []
    for step in reversed(steps):
        try:
            if step.action not in actions:
                raise HealFailed(f"nobody knows how to carry out {step}")
            action = actions[step.action]
            action.carry_out(step.args)
            if amiss := action.amiss(step.args):
                raise HealFailed(f"{step} was carried out, yet {amiss}")
        except ChaosError as error:
            failures.append(str(error))
    if failures:
        raise HealFailed("; ".join(failures))
