"""What a fault is: a frozen value that is aimed at a target, and then broken, proved, put back and verified.

A fault names exactly what happens, never what it is meant to resemble. What
puts it back is known before it is done: it goes to the undo ledger first, and
whoever heals (the conductor, the guardian, a person) does just that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from chaos.sight import Seen, Sight
from chaos.undo import Step

if TYPE_CHECKING:
    import random

    from chaos.targets import Targets


class Fault(Protocol):
    """One way to break one target. A frozen dataclass whose fields are its parameters, SI units in their names."""

    @property
    def kind(self) -> str:
        """The fault's name."""

    @property
    def target(self) -> str:
        """The hop, service or other thing that it breaks."""

    @property
    def claims(self) -> frozenset[str]:
        """What it needs for itself while it lasts: two faults that claim the same thing must not overlap."""

    def describe(self) -> Mapping[str, object]:
        """Return its parameters, SI units in the keys; JSON-safe."""

    def aim(self, targets: Targets, name: str) -> Aimed:
        """Return the fault with its target in hand, untouched yet; `name` tells it from every other of the run.

        Raises Unsupported when this stack cannot be broken in this way, with the reason.
        """


class Aimed(Protocol):
    """A fault with its target in hand."""

    def undo(self) -> Sequence[Step]:
        """Return what puts everything back that `inject` will have changed, in the order of the changes.

        Read before anything is changed; whoever heals takes the steps in reverse order.
        """

    def inject(self) -> None:
        """Break the target. Raises ChaosError, also when it read back something else than it asked for."""

    def look(self) -> Sight:
        """Look at the target once, bounded and without a retry. Raises ChaosError when this machine cannot look."""

    def missing(self, before: Sight, now: Sight) -> str | None:
        """Return None when `now`, beside `before` the fault, shows its effect; otherwise what is amiss."""

    def remaining(self, before: Sight, now: Sight) -> str | None:
        """Return None when `now` is as `before` the fault; otherwise what is left of it."""


class Adjustable(Aimed, Protocol):
    """A fault whose strength can change while it lasts: what ramps and jitter are made of."""

    def adjust(self, fault: Fault) -> None:
        """Change to the parameters of `fault`, one of the same kind and target. Raises ChaosError."""


@runtime_checkable
class Drawn(Protocol):
    """A fault whose strength changes by chance while it lasts: drawn here, before the run, and never by a server."""

    def course(self, for_s: float, draw: random.Random) -> Sequence[tuple[float, Fault]]:
        """Return what becomes of it when it lasts `for_s`: (seconds since its injection, what it then is), in order."""


class Preparation(Protocol):
    """What must be in place before the load opens its first connection, for a fault that comes later."""

    def undo(self) -> Sequence[Step]:
        """Return what takes it away again, read before `arm`; it stays in the ledger until the run ends."""

    def arm(self) -> None:
        """Put it in place; harmless when it is. Raises ChaosError, also when it read back something else."""


@runtime_checkable
class Prepared(Protocol):
    """A fault that strikes only connections opened after it was prepared."""

    def prepare(self, targets: Targets) -> Preparation:
        """Return its preparation, untouched yet. Raises Unsupported."""


@dataclass(frozen=True, slots=True)
class Noop:
    """Breaks nothing: the control that every other fault is compared with. It is never proved to be missing."""

    target: str = "nothing"
    kind: ClassVar[str] = "noop"

    @property
    def claims(self) -> frozenset[str]:
        """Nothing."""
        return frozenset()

    def describe(self) -> Mapping[str, object]:
        """Return nothing: it has no parameter."""
        return {}

    def aim(self, targets: Targets, name: str) -> Noop:  # noqa: ARG002 - the protocol's own
        """Return itself."""
        return self

    def undo(self) -> Sequence[Step]:
        """Return nothing."""
        return ()

    def inject(self) -> None:
        """Do nothing."""

    def look(self) -> Sight:
        """See that nothing is there."""
        return Sight(Seen.GONE)

    def missing(self, before: Sight, now: Sight) -> str | None:  # noqa: ARG002 - the protocol's own
        """Miss nothing."""
        return None

    def remaining(self, before: Sight, now: Sight) -> str | None:  # noqa: ARG002 - the protocol's own
        """Leave nothing."""
        return None


def check_target(target: str) -> None:
    """Raise ValueError for a name that is empty, or only looks like one."""
    if not target.strip():
        raise ValueError(f"target = {target!r}: must name what is to be broken")
