"""The control: a fault that breaks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chaos.faults.registered import Declared, Needs, register
from chaos.observed import Observed, State
from chaos.targets import Targets
from chaos.undo import Step
from harness.tables import Name


@register("noop", on="anything", needs=Needs("anything", "anything"))
@dataclass(frozen=True, slots=True)
class Noop(Declared):
    """Does nothing: the control that every other fault is compared with."""

    target: Name = "nothing"

    @property
    def claims(self) -> frozenset[str]:
        """Nothing."""
        return frozenset()

    def aim(self, targets: Targets, name: str) -> Noop:  # noqa: ARG002 - the protocol's own
        """Return itself."""
        return self

    def undo(self) -> Sequence[Step]:
        """Return nothing."""
        return ()

    def inject(self) -> None:
        """Do nothing."""

    def observe(self) -> Observed:
        """Return that nothing is there."""
        return Observed(State.GONE)

    def missing(self, before: Observed, now: Observed) -> str | None:  # noqa: ARG002 - the protocol's own
        """Return None: it has no effect that could be missing."""
        return None

    def remaining(self, before: Observed, now: Observed) -> str | None:  # noqa: ARG002 - the protocol's own
        """Return None: nothing remains of it."""
        return None
