"""What a fault is: a frozen value that is aimed at a target, and then injected, proved, undone and verified.

A fault names exactly what happens, never what it is meant to resemble. What
undoes it is known before it is injected: it goes to the undo ledger first, and
the conductor, the guardian and a person all heal by just that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from chaos.observed import Observed
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
        """Return the fault with its target in hand, not injected yet; `name` is its own in the run.

        Raises Unsupported when this stack cannot be broken in this way, with the reason.
        """


class Aimed(Protocol):
    """A fault with its target in hand."""

    def undo(self) -> Sequence[Step]:
        """Return the steps that undo what `inject` will have changed, in the order of the changes.

        Read before anything is changed; they are carried out in reverse order.
        """

    def inject(self) -> None:
        """Inject the fault. Raises ChaosError, also when it read back something else than it asked for."""

    def observe(self) -> Observed:
        """Observe the target once, bounded and without a retry. Raises ChaosError when this machine cannot."""

    def missing(self, before: Observed, now: Observed) -> str | None:
        """Return None when `now`, beside `before` the fault, shows its effect; otherwise the error."""

    def remaining(self, before: Observed, now: Observed) -> str | None:
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
        """Return the steps that remove it, read before `arm`; they stay in the ledger until the run ends."""

    def arm(self) -> None:
        """Put it in place; harmless when it is there. Raises ChaosError, also when it read back something else."""


@runtime_checkable
class Prepared(Protocol):
    """A fault that strikes only connections opened after it was prepared."""

    def prepare(self, targets: Targets) -> Preparation:
        """Return its preparation, untouched yet. Raises Unsupported."""


def is_adjustable(kind: type[Any]) -> bool:
    """Return whether a kind of fault can change while it lasts: its `aim` promises so, and type checkers hold it to."""
    return kind.aim.__annotations__.get("return") in {Adjustable, Adjustable.__name__}


def can_be_ramped(kind: type[Any]) -> bool:
    """Return whether the numbers of a kind can change in steps that a profile asks for."""
    return is_adjustable(kind) and not issubclass(kind, Drawn)
