"""One frozen record for each toxic: what it does to one direction of a proxied link.

The server accepts unknown attributes and senseless values with a 200 and no
effect, so every record checks its ranges. Values are SI; only
`chaos/faults/links/toxiproxy.py` knows the server's units. What the server would draw by
chance (jitter, varied sizes) stays 0, for it cannot be drawn again; toxicity
is 1, for it is rolled per connection, which means little to a pool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from chaos.direction import Stream
from chaos.faults.ranges import Checked, Within, values_of

# More than an hour is a typing error, and the server's timers take no more on trust. They count whole thousandths; half
# of one would be 0, which to some toxics means for ever.
WAIT = Within(0.001, 3600, "s")
# The server's rates count whole thousands; 0 is no limit at all.
RATE = Within(1e3, 1e12, "bytes/s")
# At 0 bytes the server would cut until its stack is full, and end.
PIECE = Within(1, 1 << 40, "bytes")
LIMIT = Within(0, 1 << 40, "bytes")
_NO_WAIT = Within(0.001, 3600, "s", or_zero=True)


@dataclass(frozen=True, slots=True)
class _Attributes(Checked):
    """What every toxic has; its own fields are its attributes, and `fixed` those that stay as they are."""

    fixed: ClassVar[Mapping[str, float]] = {}

    @property
    def attributes(self) -> Mapping[str, float]:
        """The attributes, keys with units in SI."""
        own = values_of(self, without=("stream", "toxicity"))
        return {**own, **self.fixed}  # type: ignore[dict-item]  # all of a toxic's fields are numbers


@dataclass(frozen=True, slots=True)
class _Certain(_Attributes):
    """One that falls on every connection."""

    toxicity: ClassVar[float] = 1.0


@dataclass(frozen=True, slots=True)
class Noop(_Certain):
    """Passes everything through: the control that every other toxic is compared with."""

    stream: Stream = "downstream"
    kind: ClassVar[str] = "noop"


@dataclass(frozen=True, slots=True)
class Latency(_Certain):
    """Delays everything in one direction by `latency_s`."""

    latency_s: Annotated[float, Within(0, 3600, "s")]
    stream: Stream = "downstream"
    kind: ClassVar[str] = "latency"
    fixed: ClassVar[Mapping[str, float]] = {"jitter_s": 0.0}


@dataclass(frozen=True, slots=True)
class Bandwidth(_Certain):
    """Lets each connection pass `bytes_per_s` in one direction; the server keeps whole thousands."""

    bytes_per_s: Annotated[float, RATE]
    stream: Stream = "downstream"
    kind: ClassVar[str] = "bandwidth"


@dataclass(frozen=True, slots=True)
class SlowClose(_Certain):
    """Passes the end of a stream on only `delay_s` after it came."""

    delay_s: Annotated[float, WAIT]
    stream: Stream = "downstream"
    kind: ClassVar[str] = "slow_close"


@dataclass(frozen=True, slots=True)
class Timeout(_Certain):
    """Lets nothing through; closes after `timeout_s` seconds without anything to drop, with 0 never."""

    timeout_s: Annotated[float, _NO_WAIT]
    stream: Stream = "downstream"
    kind: ClassVar[str] = "timeout"


@dataclass(frozen=True, slots=True)
class ResetPeer(_Attributes):
    """Resets a connection `timeout_s` after its first data; only those opened since it was added.

    At any toxicity, every other end of such a connection becomes a reset as well: at 0 it waits for that.
    """

    timeout_s: Annotated[float, _NO_WAIT] = 0.0
    stream: Stream = "downstream"
    # 1, or 0 for one that only waits.
    toxicity: Literal[0, 1] = 1
    kind: ClassVar[str] = "reset_peer"


@dataclass(frozen=True, slots=True)
class Slicer(_Certain):
    """Cuts what passes into pieces of at most `size_bytes` and waits `delay_s` after each."""

    size_bytes: Annotated[int, PIECE]
    delay_s: Annotated[float, Within(0, 1, "s")] = 0.0
    stream: Stream = "downstream"
    kind: ClassVar[str] = "slicer"
    fixed: ClassVar[Mapping[str, float]] = {"variation_bytes": 0}


@dataclass(frozen=True, slots=True)
class LimitData(_Certain):
    """Closes each connection once `limit_bytes` have passed since it was added, or since it was opened."""

    limit_bytes: Annotated[int, LIMIT]
    stream: Stream = "downstream"
    kind: ClassVar[str] = "limit_data"
