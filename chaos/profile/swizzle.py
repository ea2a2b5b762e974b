"""Swizzle: links are cut one by one until none is left, and come back one by one in an order of their own.

After FoundationDB's "swizzle-clog": what breaks only in some order of
losing and finding one's neighbours breaks in one of these, and neither order
is one that a person would have thought of.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from chaos.faults.links.down import DownFault
from chaos.profile.timeline import Planned, check_time


@dataclass(frozen=True, slots=True)
class Swizzle:
    """Cuts each of `hops` once, from `at_s` on, and has all of them back `for_s` later.

    From one cut to the next, and from one return to the next, it takes between half
    of `gap_s` and all of it, as drawn; in between all are cut at once.
    """

    at_s: float
    for_s: float
    hops: tuple[str, ...]
    gap_s: float = 1.0

    def __post_init__(self) -> None:
        """Raise ValueError for hops that are none or named twice, and times that cannot be."""
        check_time(self.at_s, self.for_s)
        if len(self.hops) < 2 or len(set(self.hops)) < len(self.hops):
            raise ValueError(f"hops = {list(self.hops)}: must be two hops or more, each once")
        if not 0 < self.gap_s < self.for_s / (2 * (len(self.hops) - 1)):
            least_s = self.for_s / (2 * (len(self.hops) - 1))
            rule = f"must be above 0 and below {least_s:g} s, so that all {len(self.hops)} are cut at once"
            raise ValueError(f"gap_s = {self.gap_s!r}: {rule}")

    def scaled(self, time_scale: float) -> Swizzle:
        """Return it with its times multiplied."""
        return Swizzle(self.at_s * time_scale, self.for_s * time_scale, self.hops, self.gap_s * time_scale)

    def spans(self) -> Iterator[Planned]:
        """Yield each hop, cut for all of the time."""
        return (Planned(self.at_s, self.at_s + self.for_s, DownFault(hop)) for hop in self.hops)

    def drafts(self, draw: random.Random) -> Iterator[Planned]:
        """Yield each hop's cut, both orders and all gaps drawn."""
        cuts_s = {hop: self.at_s + after_s for hop, after_s in self._spaced(draw)}
        # Counted back from the end, so that the last is back just then.
        returns_s = {hop: self.at_s + self.for_s - before_s for hop, before_s in self._spaced(draw)}
        for hop in self.hops:
            yield Planned(cuts_s[hop], returns_s[hop], DownFault(hop))

    def _spaced(self, draw: random.Random) -> Iterator[tuple[str, float]]:
        """Yield the hops in an order that is drawn, each with the seconds since the first."""
        after_s = 0.0
        for hop in sorted(self.hops, key=lambda _: draw.random()):
            yield hop, after_s
            after_s += self.gap_s * (1 + draw.random()) / 2
