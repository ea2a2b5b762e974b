"""The numbers of a channel's messages: what a subscriber got, missed and got twice.

Each connection receives its numbers in order, so one integer a connection is
enough. Across connections every number belongs to exactly one of them:
after a drop the new one answers for all that the old one had not received, and a
rotation splits the numbers between the two, so that their overlap is neither
a loss nor a duplicate.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

# Larger gaps share a label: each different one takes memory for as long as the run lasts.
_NAMED_GAP_MAX = 9
# Stretches of missing numbers that a connection remembers: what comes of an older one counts as a duplicate.
_MISSED_MAX = 8


@dataclass(slots=True)
class Totals:
    """What became of the messages; `gaps` are messages that never came, not how often some did not.

    `late` are those of them that came after all, behind a later one. `recounts`
    are the times when the system lost its count, so that the number missed is
    unknown. `rotations` ended well; `drops` are all other ends of a connection
    that stood.
    """

    delivered: int = 0
    gaps: int = 0
    duplicates: int = 0
    late: int = 0
    recounts: int = 0
    drops: int = 0
    rotations: int = 0


class Heard(Enum):
    """What one message is to its subscriber.

    LATE was taken for missing when a later one came; OVERLAP is heard from the other connection, and not counted.
    """

    FRESH = auto()
    LATE = auto()
    DUPLICATE = auto()
    OVERLAP = auto()


class Step(NamedTuple):
    """What one message was, and how many never came before it."""

    heard: Heard
    missed: int


class Sequence:
    """The numbers of one connection, whose first message follows on `reached`.

    It answers for numbers above `floor`, if there is one: those up to it are the
    connection's before it. After `hand_over` it answers for none beyond the number given there.
    """

    __slots__ = ("_ceiling", "_floor", "_last", "_missed")

    def __init__(self, reached: int, *, floor: int | None = None) -> None:
        self._last: int | None = reached
        self._floor = floor
        self._ceiling: int | None = None
        self._missed: tuple[range, ...] = ()

    @property
    def last(self) -> int | None:
        """The highest number that this connection or one before it got to; None where the system lost its count."""
        if self._last is None or self._floor is None:
            return self._last
        return max(self._last, self._floor)

    @property
    def lacking(self) -> int:
        """How many of its numbers are still to come, once it has been handed over."""
        return 0 if self._ceiling is None or self.last is None else max(0, self._ceiling - self.last)

    def take(self, number: int) -> Step:
        """Hear one message's number."""
        if self._last is None:
            self._last = number
            return Step(Heard.FRESH if self._is_own(number) else Heard.OVERLAP, 0)
        if number <= self._last:
            return Step(self._heard_again(number) if self._is_own(number) else Heard.OVERLAP, 0)
        missed = self._advance(number - 1)
        self._last = number
        return Step(Heard.FRESH if self._is_own(number) else Heard.OVERLAP, missed)

    def skip(self, last: int) -> int:
        """Hear that all up to `last` is gone; return how many of them this connection should have got."""
        return self._advance(last)

    def forget(self) -> bool:
        """Hear that the count was lost; return whether this connection answers for what follows."""
        self._last = self._floor = None
        self._missed = ()
        return self._ceiling is None

    def hand_over(self, reached: int) -> Sequence:
        """Split the numbers with a connection subscribed at `reached` and return its sequence.

        This one still answers for those up to `reached`; where it is already
        beyond them, the other one is behind and repeats some.
        """
        self._ceiling = reached if self.last is None else max(reached, self.last)
        return Sequence(reached, floor=self._ceiling)

    def _advance(self, to: int) -> int:
        last = self.last
        if last is None or self._last is None:
            return 0
        self._last = max(self._last, to)
        until = to if self._ceiling is None else min(to, self._ceiling)
        if until <= last:
            return 0
        self._missed = (*self._missed, range(last + 1, until + 1))[-_MISSED_MAX:]
        return until - last

    def _heard_again(self, number: int) -> Heard:
        for n, missed in enumerate(self._missed):
            if number in missed:
                left = [part for part in (range(missed.start, number), range(number + 1, missed.stop)) if part]
                self._missed = (*self._missed[:n], *left, *self._missed[n + 1 :])[-_MISSED_MAX:]
                return Heard.LATE
        return Heard.DUPLICATE

    def _is_own(self, number: int) -> bool:
        above = self._floor is None or number > self._floor
        return above and (self._ceiling is None or number <= self._ceiling)


def resume(last: int | None, reached: int) -> tuple[Sequence, int | None]:
    """Return a sequence after a drop at `last`, subscribed again at `reached`, and how many were missed meanwhile.

    None for a count that went back: the system lost it, and the number is unknown.
    With no `last` there is nothing to miss.
    """
    if last is not None and reached < last:
        return Sequence(reached), None
    return Sequence(reached), 0 if last is None else reached - last


def gap_label(missed: int | None) -> str:
    """Return the label of a gap; None is a gap of unknown length."""
    if missed is None:
        return "count lost"
    return f"gap of {missed}" if missed <= _NAMED_GAP_MAX else f"gap of {_NAMED_GAP_MAX + 1} or more"
