"""The claim that a run lays on its data stores: whose they are, written where the data is.

A runner that finds another's claim in a store keeps away from it; a claim gives way
only where its runner is known to be gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

# What each store is given to answer one question about its claim.
LIMIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose a store is: `runner` is the process that claimed it, `left_s` how long that holds unless it is renewed."""

    nonce: str = field(repr=False)
    run_id: str
    runner: str
    left_s: float = 0.0


GivesWay = Callable[[Claim], bool]


class ClaimedStore(Protocol):
    """A store as one way leads to it; each call connects, asks once, is bounded, and retries nothing.

    Every call raises NotReady when the store does not answer for now, and Refused when it answers as no store of this
    run would: one that knows its account, and lets it do what is asked.
    """

    @property
    def lasting(self) -> bool:
        """Whether it keeps its data through a restart."""

    def lay(self, claim: Claim, gives_way: GivesWay) -> Claim | None:
        """Write `claim`, which lasts `left_s` seconds; or return the other one there is, if it does not give way."""

    def read(self) -> Claim | None:
        """Return the claim that is there."""

    def renew(self, claim: Claim) -> None:
        """Have `claim` last `left_s` seconds from now, where it is there."""

    def lift(self, claim: Claim) -> None:
        """Remove `claim`, and what was made to keep it; another's stays."""

    def server(self) -> str:
        """Return what only this server has, and only until it is restarted; "" where nothing is."""
