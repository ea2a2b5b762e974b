"""What was observed of the target of a fault: its state, and how long the observation took.

A fault counts only once its effect was observed, and a heal only once it no
longer is; so every fault says how to observe it, and what must be observed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How an observation ended.

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
class Observed:
    """The state, the seconds that took, and what else there is to say; `amount` is a measured quantity, if any."""

    state: State
    took_s: float = 0.0
    detail: str = ""
    amount: float = 0.0

    def __str__(self) -> str:
        took = f" after {self.took_s * 1e3:.0f} ms" if self.took_s else ""
        return f"{self.state}{took}{f' ({self.detail})' if self.detail else ''}"
