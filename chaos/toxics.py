"""One frozen record for each toxic: what it does to one direction of a proxied link.

The server accepts unknown attributes and senseless values with a 200 and no
effect, so every record checks its own ranges. Values are SI; only
`chaos/toxiproxy.py` knows the server's units. Toxicity is always 1: the server
rolls it per connection, which means little to a pool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Stream = Literal["upstream", "downstream"]

# An hour: longer is a typing error, and the server's own timers take no more on trust.
_LONGEST_S = 3600.0


class Toxic(Protocol):
    """One toxic: its kind, its direction, and its attributes in SI units."""

    @property
    def kind(self) -> str:
        """The toxic's name in Toxiproxy."""

    @property
    def stream(self) -> Stream:
        """`downstream` is towards the caller, `upstream` towards the callee."""

    @property
    def attributes(self) -> Mapping[str, float]:
        """The attributes, keys with units in SI."""


@dataclass(frozen=True, slots=True)
class Noop:
    """Passes everything through: the control that every other toxic is compared with."""

    stream: Stream = "downstream"
    kind = "noop"

    @property
    def attributes(self) -> Mapping[str, float]:
        """None."""
        return {}


@dataclass(frozen=True, slots=True)
class Latency:
    """Delays everything in one direction by `latency_s` (0 to an hour)."""

    latency_s: float
    stream: Stream = "downstream"
    kind = "latency"

    def __post_init__(self) -> None:
        """Raise ValueError out of range."""
        if not 0 <= self.latency_s <= _LONGEST_S:
            raise ValueError(f"latency_s = {self.latency_s!r}: must be from 0 to {_LONGEST_S:.0f} s")

    @property
    def attributes(self) -> Mapping[str, float]:
        """The delay; jitter stays 0, for the server cannot repeat its draws."""
        return {"latency_s": self.latency_s, "jitter_s": 0.0}
