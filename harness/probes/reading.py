"""What a probe says of one look: the values it has, the figures it could not read, or that the service is gone.

A probe that cannot look raises, and the sampler decides what that means. What
an error says is not repeated, because it may quote an address with a password;
only our own words and the name of the error's class are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Reading(NamedTuple):
    """`values` by the whole name of their series, and the names of the series that should have been there."""

    values: Mapping[str, float]
    missing: tuple[str, ...] = ()


class Gone(Exception):
    """The process or container that was measured is there no more; `oom_killed` where its engine knows that it was."""

    def __init__(self, *, oom_killed: bool = False) -> None:
        super().__init__("gone")
        self.oom_killed = oom_killed


class Unreadable(Exception):
    """A probe could not look; what it says is ours and may be shown."""


class QuickProbe(Protocol):
    """Reads what costs microseconds, in the sampler's own pass."""

    name: str

    def read(self) -> Reading:
        """Look once. Raises Gone when the service is, and whatever else stands in the way."""


class SlowProbe(Protocol):
    """Reads what somebody else must answer, in the background; it is never asked twice at once."""

    name: str

    async def read(self) -> Reading:
        """Look once; it may be cancelled at any moment. Raises whatever stands in the way."""

    async def close(self) -> None:
        """Let go of what it holds, without waiting for anybody."""


Probe = QuickProbe | SlowProbe


def reason(error: BaseException) -> str:
    """Return why a probe failed, in words that hold no secret."""
    return str(error) if isinstance(error, Unreadable) else type(error).__name__
