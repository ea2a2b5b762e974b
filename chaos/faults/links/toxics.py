"""One frozen record for each toxic: what it does to one direction of a proxied link.

The server accepts unknown attributes and senseless values with a 200 and no
effect, so every record checks its own ranges. Values are SI; only
`chaos/faults/links/toxiproxy.py` knows the server's units. What the server would draw by
chance (jitter, varied sizes) stays 0, for nobody could draw it again; toxicity
is 1, for it is rolled per connection, which means little to a pool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from chaos.direction import Stream

# An hour: longer is a typing error, and the server's own timers take no more on trust.
_LONGEST_S = 3600.0
# The server's timers count whole thousandths; half of one would be 0, which to some toxics means for ever.
_SHORTEST_S = 0.001
# The server's rates count whole thousands; 0 is no limit at all.
_SLOWEST_BYTES_PER_S = 1e3
_FASTEST_BYTES_PER_S = 1e12
_MOST_BYTES = 1 << 40


@dataclass(frozen=True, slots=True)
class Noop:
    """Passes everything through: the control that every other toxic is compared with."""

    stream: Stream = "downstream"
    kind: ClassVar[str] = "noop"
    toxicity: ClassVar[float] = 1.0

    @property
    def attributes(self) -> Mapping[str, float]:
        """None."""
        return {}


@dataclass(frozen=True, slots=True)
class Latency:
    """Delays everything in one direction by `latency_s` (0 to an hour)."""

    latency_s: float
    stream: Stream = "downstream"
    kind: ClassVar[str] = "latency"
    toxicity: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        """Raise ValueError out of range."""
        _check("latency_s", self.latency_s, 0, _LONGEST_S, "s")

    @property
    def attributes(self) -> Mapping[str, float]:
        """The delay; jitter stays 0, for the server cannot repeat its draws."""
        return {"latency_s": self.latency_s, "jitter_s": 0.0}


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Lets each connection pass `bytes_per_s` (1000 and more) in one direction; the server keeps whole thousands."""

    bytes_per_s: float
    stream: Stream = "downstream"
    kind: ClassVar[str] = "bandwidth"
    toxicity: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        """Raise ValueError out of range."""
        _check("bytes_per_s", self.bytes_per_s, _SLOWEST_BYTES_PER_S, _FASTEST_BYTES_PER_S, "bytes/s")

    @property
    def attributes(self) -> Mapping[str, float]:
        """The rate."""
        return {"bytes_per_s": self.bytes_per_s}


@dataclass(frozen=True, slots=True)
class SlowClose:
    """Passes the end of a stream on only `delay_s` (a thousandth to an hour) after it came."""

    delay_s: float
    stream: Stream = "downstream"
    kind: ClassVar[str] = "slow_close"
    toxicity: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        """Raise ValueError out of range."""
        _check("delay_s", self.delay_s, _SHORTEST_S, _LONGEST_S, "s")

    @property
    def attributes(self) -> Mapping[str, float]:
        """The delay."""
        return {"delay_s": self.delay_s}


@dataclass(frozen=True, slots=True)
class Timeout:
    """Lets nothing through; closes after `timeout_s` seconds (up to an hour) without anything to drop, with 0 never."""

    timeout_s: float
    stream: Stream = "downstream"
    kind: ClassVar[str] = "timeout"
    toxicity: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        """Raise ValueError out of range."""
        _check_wait("timeout_s", self.timeout_s)

    @property
    def attributes(self) -> Mapping[str, float]:
        """The seconds of silence that it bears."""
        return {"timeout_s": self.timeout_s}


@dataclass(frozen=True, slots=True)
class ResetPeer:
    """Resets a connection `timeout_s` (0 to an hour) after its first data; only those opened since it was added.

    Whatever its toxicity, every other end of such a connection becomes a reset as well: at 0 it waits for that.
    """

    timeout_s: float = 0.0
    stream: Stream = "downstream"
    toxicity: float = 1.0
    kind: ClassVar[str] = "reset_peer"

    def __post_init__(self) -> None:
        """Raise ValueError out of range."""
        _check_wait("timeout_s", self.timeout_s)
        if self.toxicity not in (0, 1):
            raise ValueError(f"toxicity = {self.toxicity!r}: must be 1, or 0 for one that only waits")

    @property
    def attributes(self) -> Mapping[str, float]:
        """The delay of the reset."""
        return {"timeout_s": self.timeout_s}


@dataclass(frozen=True, slots=True)
class Slicer:
    """Cuts what passes into pieces of at most `size_bytes` (1 and more) and waits `delay_s` (0 to 1 s) after each."""

    size_bytes: int
    delay_s: float = 0.0
    stream: Stream = "downstream"
    kind: ClassVar[str] = "slicer"
    toxicity: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        """Raise ValueError out of range: at 0 bytes the server would cut until its stack is full, and end."""
        _check_bytes("size_bytes", self.size_bytes, 1)
        _check("delay_s", self.delay_s, 0, 1, "s")

    @property
    def attributes(self) -> Mapping[str, float]:
        """The size and the delay; variation stays 0, for the server cannot repeat its draws."""
        return {"size_bytes": self.size_bytes, "variation_bytes": 0, "delay_s": self.delay_s}


@dataclass(frozen=True, slots=True)
class LimitData:
    """Closes each connection once `limit_bytes` (0 and more) have passed since it was added, or since it was opened."""

    limit_bytes: int
    stream: Stream = "downstream"
    kind: ClassVar[str] = "limit_data"
    toxicity: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        """Raise ValueError out of range."""
        _check_bytes("limit_bytes", self.limit_bytes, 0)

    @property
    def attributes(self) -> Mapping[str, float]:
        """The limit."""
        return {"limit_bytes": self.limit_bytes}


def _check(name: str, value: float, least: float, most: float, unit: str) -> None:
    # Written so that what is not a number is not in range.
    if not least <= value <= most:
        raise ValueError(f"{name} = {value!r}: must be from {least:g} to {most:g} {unit}")


def _check_wait(name: str, value_s: float) -> None:
    if value_s != 0 and not _SHORTEST_S <= value_s <= _LONGEST_S:
        raise ValueError(f"{name} = {value_s!r}: must be 0, or from {_SHORTEST_S:g} to {_LONGEST_S:g} s")


def _check_bytes(name: str, value: int, least: int) -> None:
    if not least <= value <= _MOST_BYTES or value != int(value):
        raise ValueError(f"{name} = {value!r}: must be from {least} to {_MOST_BYTES} whole bytes")
