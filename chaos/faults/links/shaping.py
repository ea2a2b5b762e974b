"""Faults that shape what crosses a hop: how fast it goes, and in which pieces.

They take effect on much data only, so their canary asks large questions. What
it can observe has limits, for it knows no password: a fault beyond them is
refused before it is injected.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol

from chaos.canary.canary import Carried
from chaos.direction import Direction, streams
from chaos.faults.fault import Adjustable, Aimed, Fault
from chaos.faults.links.hop import OBSERVED, ON_HOP, OnHop, Toxics, back_to_normal, not_whole
from chaos.faults.links.toxics import PIECE, RATE, Bandwidth, Slicer
from chaos.faults.ranges import Within
from chaos.faults.registered import register
from chaos.observed import Observed, State
from chaos.targets import Link, Targets, Toxic
from harness.errors import InjectionFailed, Unsupported
from harness.tables import Duration, Size, WholeSize

# What a large question should take longer for the fault: well above a hiccup of the machine, well below a look's limit.
_LONGER_S = 0.3
# At low rates the small question takes long as well, and its time is taken off: much more must be left.
_LEAST_BYTES = 1500
# Less than this could be a hiccup.
_VISIBLE_S = 0.15
# A service that answers while the link is still busy hides as much of the seconds as it needs itself.
_ADDED = 0.5
# So many pieces show the cutting; more than that would only keep the service at work.
_FEW_PIECES, _MANY_PIECES = 4, 50


@register("bandwidth", on="hop", needs=ON_HOP, example={"bytes_per_s": 100_000.0})
@dataclass(frozen=True, slots=True)
class BandwidthFault(OnHop):
    """Lets each connection carry no more in a direction."""

    bytes_per_s: Annotated[Size, RATE]
    """Bytes a second; the server keeps whole thousands."""
    direction: Direction = "downstream"
    """Which way: `upstream` is towards the callee."""
    parts: ClassVar[tuple[str, ...]] = ("rate",)

    def toxics(self, name: str) -> Sequence[tuple[str, Toxic]]:
        """Return the toxics, by names that begin with `name`."""
        return [(f"{name}_{stream}", Bandwidth(self.bytes_per_s, stream)) for stream in streams(self.direction)]

    def takes_s(self, size_bytes: int) -> float:
        """Return the seconds that so much takes in one direction, at the least."""
        return size_bytes / self.bytes_per_s

    @property
    def shows_bytes(self) -> int:
        """How much shows it well."""
        return max(_LEAST_BYTES, round(self.bytes_per_s * _LONGER_S))

    def aim(self, targets: Targets, name: str) -> Adjustable:
        """Return the fault on its hop. Raises Unsupported, also for a rate too high for its canary to see."""
        link = targets.link(self.kind, self.target)
        for stream in streams(self.direction):
            highest = link.canary.most_bytes(stream) / _VISIBLE_S
            if self.bytes_per_s > highest:
                raise beyond(self, link, f"{self.bytes_per_s:.0f} bytes/s {stream}", f"up to {highest:.0f} bytes/s")
        return _AimedBandwidth(self, link, name)


@register("slicer", on="hop", needs=ON_HOP, example={"size_bytes": 64, "delay_s": 0.01})
@dataclass(frozen=True, slots=True)
class SlicerFault(OnHop):
    """Cuts what passes into pieces, with a pause after each."""

    size_bytes: Annotated[WholeSize, PIECE]
    """The most in a piece."""
    # Without a pause, the pieces are put together again on their way.
    delay_s: Annotated[Duration, Within(0.001, 1, "s")]
    """The pause."""
    direction: Direction = "downstream"
    """Which way: `upstream` is towards the callee."""
    parts: ClassVar[tuple[str, ...]] = ("pieces",)

    def toxics(self, name: str) -> Sequence[tuple[str, Toxic]]:
        """Return the toxics, by names that begin with `name`."""
        return [(f"{name}_{s}", Slicer(self.size_bytes, self.delay_s, s)) for s in streams(self.direction)]

    def pieces(self, size_bytes: int) -> int:
        """Return into how many pieces so much is cut, at the least."""
        return math.ceil(size_bytes / self.size_bytes)

    def takes_s(self, size_bytes: int) -> float:
        """Return the seconds that so much takes in one direction, at the least."""
        return self.pieces(size_bytes) * self.delay_s

    @property
    def shows_bytes(self) -> int:
        """How much shows it well."""
        pieces = min(max(_FEW_PIECES, math.ceil(_LONGER_S / self.delay_s)), _MANY_PIECES)
        return pieces * self.size_bytes

    def aim(self, targets: Targets, name: str) -> Aimed:
        """Return the fault on its hop. Raises Unsupported, also for pieces too large for its canary to see."""
        link = targets.link(self.kind, self.target)
        # A few pieces must be there, and their pauses be observable.
        pieces = max(_FEW_PIECES, math.ceil(_VISIBLE_S / 2 / self.delay_s))
        for stream in streams(self.direction):
            largest = link.canary.most_bytes(stream) // pieces
            if self.size_bytes > largest:
                raise beyond(self, link, f"pieces of {self.size_bytes} bytes {stream}", f"up to {largest} bytes")
        return _AimedSlicer(self, link, name)


class Slowing(Toxics):
    """Toxics that make a look take longer: by how much at the least is the `amount` of what it saw."""

    def missing(self, before: Observed, now: Observed) -> str | None:
        """Ask for most of the seconds, clearly more of them than before, or for a canary that hung on them."""
        if error := not_whole(before):
            return error
        if now.state is State.HUNG:
            return None
        longer_s = now.took_s - before.took_s
        if now.state is State.ANSWERED and now.took_s >= OBSERVED * now.amount and longer_s >= _ADDED * now.amount:
            return None
        return f"should have taken {now.amount * 1e3:.0f} ms, but the canary was {now} against {before}"

    def remaining(self, before: Observed, now: Observed) -> str | None:
        """Ask for an answer that took not much longer than before."""
        return back_to_normal(before, now, slower_s=_ADDED * (now.amount or before.amount))


def beyond(fault: Fault, link: Link, what: str, limit: str) -> Unsupported:
    """Return the error of a fault that could not be proved; it names what could be."""
    sees = f"a canary without a password sees {limit} there, over {link.canary.protocol}"
    return Unsupported(f"{fault.kind} on {fault.target}: {what} would not be proved: {sees}")


class _Shaping(Fault, Protocol):
    @property
    def direction(self) -> Direction: ...

    @property
    def shows_bytes(self) -> int: ...

    def takes_s(self, size_bytes: int) -> float: ...

    def toxics(self, name: str) -> Sequence[tuple[str, Toxic]]: ...


class _AimedShaping(Slowing):
    """Looks with a large question in each direction of the fault, one after the other."""

    def __init__(self, fault: _Shaping, link: Link, name: str) -> None:
        super().__init__(link, fault.toxics(name))
        self._name = name
        self._shape = fault

    def observe(self) -> Observed:
        """Ask in each direction; the first that is not answered says it all."""
        took_s = longer_s = 0.0
        details = []
        for stream in streams(self._shape.direction):
            carried = self.link.canary.carry(stream, self._shape.shows_bytes)
            details.append(f"{carried.sent_bytes} bytes there, {carried.came_bytes} back in {carried.pieces} pieces")
            if carried.state is not State.ANSWERED:
                return Observed(carried.state, carried.took_s, details[-1])
            self.see(carried)
            took_s += carried.took_s
            longer_s += self._longer_s(carried)
        return Observed(State.ANSWERED, took_s, "; ".join(details), longer_s)

    def see(self, carried: Carried) -> None:
        """Take nothing more from an answer than its time."""

    def _longer_s(self, carried: Carried) -> float:
        shaped = streams(self._shape.direction)
        there_s = self._shape.takes_s(carried.sent_bytes) if "upstream" in shaped else 0.0
        back_s = self._shape.takes_s(carried.came_bytes) if "downstream" in shaped else 0.0
        return there_s + back_s if carried.in_turn else max(there_s, back_s)


class _AimedBandwidth(_AimedShaping):
    def adjust(self, fault: Fault) -> None:
        """Change the rate. Raises InjectionFailed."""
        if not isinstance(fault, BandwidthFault) or fault.direction != self._shape.direction:
            raise InjectionFailed(f"bandwidth on {self.link.name} cannot become {fault}")
        self.change(fault.toxics(self._name))
        self._shape = fault


class _AimedSlicer(_AimedShaping):
    """Also counts the pieces of answers: on their way there, only the service could."""

    def __init__(self, fault: SlicerFault, link: Link, name: str) -> None:
        super().__init__(fault, link, name)
        self._fault = fault
        self._in_pieces = True

    def observe(self) -> Observed:
        self._in_pieces = True
        return super().observe()

    def see(self, carried: Carried) -> None:
        # On a busy machine two may be read as one.
        enough = 2 * carried.pieces >= self._fault.pieces(carried.came_bytes)
        self._in_pieces &= enough or self._fault.direction == "upstream"

    def missing(self, before: Observed, now: Observed) -> str | None:
        error = super().missing(before, now)
        if error is None and not self._in_pieces:
            return f"cut into pieces of {self._fault.size_bytes} bytes, but the canary was {now}"
        return error
