"""What faults of one hop share: their claims, their toxics, the steps that undo them, and the canary's verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from chaos.faults.registered import Declared, Needs
from chaos.observed import Observed, State
from chaos.targets import Link, Toxic
from chaos.undo import Step

# A canary may be quicker than the last one by this share of the delay and the fault still count as observed.
OBSERVED = 0.8
ON_HOP = Needs("hop", "hop")
# What a fault may claim of a hop. Faults of different parts may be there at once, and each be observed.
_PARTS = ("delay", "rate", "pieces", "close", "life", "packets")


def claims(hop: str, *parts: str) -> frozenset[str]:
    """Return the claims on parts of a hop, or on all of it where none is named: a dead link can show nothing else."""
    return frozenset(f"hop {hop} {part}" for part in parts or _PARTS)


@dataclass(frozen=True, slots=True)
class OnHop(Declared):
    """A fault of one hop; `parts` are what it claims of it, all of it where none is named."""

    parts: ClassVar[tuple[str, ...]] = ()

    @property
    def claims(self) -> frozenset[str]:
        """Its parts of the hop."""
        return claims(self.target, *self.parts)


class Toxics:
    """Toxics on a link: what every fault that is made of some has in common."""

    def __init__(self, link: Link, toxics: Sequence[tuple[str, Toxic]]) -> None:
        self.link = link
        self._toxics = toxics

    def undo(self) -> Sequence[Step]:
        """Return the steps that remove them."""
        return [toxic_step(self.link, name) for name, _ in self._toxics]

    def inject(self) -> None:
        """Add them. Raises InjectionFailed."""
        for name, toxic in self._toxics:
            self.link.add(name, toxic)

    def change(self, toxics: Sequence[tuple[str, Toxic]]) -> None:
        """Change them to others of the same names. Raises InjectionFailed."""
        for name, toxic in toxics:
            self.link.update(name, toxic)


def proxy_step(link: Link) -> Step:
    """Return the step that has a link's proxy listen again."""
    return Step("proxy.enable", link.place)


def toxic_step(link: Link, name: str) -> Step:
    """Return the step that removes a toxic from a link."""
    return Step("toxic.remove", {**link.place, "toxic": name})


def not_whole(before: Observed) -> str | None:
    """Return what was wrong with a link before its fault, beside which no effect can be observed; or None."""
    return (
        None if before.state is State.ANSWERED else f"the link was not whole before the fault: the canary was {before}"
    )


def back_to_normal(before: Observed, now: Observed, *, slower_s: float) -> str | None:
    """Return None when a canary is answered, and less than `slower_s` later than before."""
    if now.state is before.state is State.ANSWERED and now.took_s - before.took_s < slower_s:
        return None
    return f"healed, but the canary was {now}, before the fault {before}"
