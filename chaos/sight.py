"""What a look at the target of a fault saw: how it ended, and how long it took.

A fault counts only once a look has seen its effect, and a heal only once a
look has not; so every fault says what such a look is, and what it must see.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Seen(StrEnum):
    """How a look ended.

    Of a link: the canary's question was answered, refused, ended by an orderly close or
    by a reset, or hung. Of a service: its process or container runs and answers, hung
    where it lives and does not, is stopped where it stands, or is gone. Of anything else:
    it is there, or gone.
    """

    ANSWERED = "answered"
    REFUSED = "refused"
    CLOSED = "closed"
    RESET = "reset"
    HUNG = "hung"
    RUNNING = "running"
    STOPPED = "stopped"
    THERE = "there"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen, the seconds it took, and what else there is to say; `amount` is a measured quantity, if any."""

    seen: Seen
    took_s: float = 0.0
    detail: str = ""
    amount: float = 0.0

    def __str__(self) -> str:
        took = f" after {self.took_s * 1e3:.0f} ms" if self.took_s else ""
        return f"{self.seen}{took}{f' ({self.detail})' if self.detail else ''}"
