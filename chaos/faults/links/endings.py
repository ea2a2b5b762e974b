"""Faults of how connections end: late, or once so much has crossed them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from chaos.direction import Direction, Stream, streams
from chaos.faults.fault import Aimed
from chaos.faults.links.hop import ON_HOP, OnHop, Toxics, back_to_normal, not_whole
from chaos.faults.links.shaping import Slowing, beyond
from chaos.faults.links.toxics import LIMIT, WAIT, LimitData, SlowClose
from chaos.faults.registered import register
from chaos.observed import Observed, State
from chaos.targets import Link, Targets, Toxic
from harness.tables import Duration, WholeSize


@register("slow_close", on="hop", needs=ON_HOP, example={"delay_s": 0.3})
@dataclass(frozen=True, slots=True)
class SlowCloseFault(OnHop):
    """Passes the end of each connection on late."""

    delay_s: Annotated[Duration, WAIT]
    """How late; with both directions, each adds its own."""
    direction: Direction = "downstream"
    """Which way: `upstream` is towards the callee."""
    parts: ClassVar[tuple[str, ...]] = ("close",)

    def toxics(self, name: str) -> Sequence[tuple[str, Toxic]]:
        """Return the toxics, by names that begin with `name`."""
        return [(f"{name}_{stream}", SlowClose(self.delay_s, stream)) for stream in streams(self.direction)]

    def aim(self, targets: Targets, name: str) -> Aimed:
        """Return the fault on its hop. Raises Unsupported."""
        return _AimedSlowClose(self, targets.link(self.kind, self.target), name)


@register("limit_data", on="hop", needs=ON_HOP, example={"limit_bytes": 1000})
@dataclass(frozen=True, slots=True)
class LimitDataFault(OnHop):
    """Ends each connection once so much has passed in a direction, counted since the injection."""

    limit_bytes: Annotated[WholeSize, LIMIT]
    """How much may pass."""
    # Not both: what ends in one ends in the other.
    direction: Stream = "downstream"
    """Which way it is counted: `upstream` is towards the callee."""
    # Much data alone shows the last two.
    parts: ClassVar[tuple[str, ...]] = ("life", "rate", "pieces")

    def aim(self, targets: Targets, name: str) -> Aimed:
        """Return the fault on its hop. Raises Unsupported, also for a limit too high for its canary to see."""
        link = targets.link(self.kind, self.target)
        most_bytes = link.canary.most_bytes(self.direction)
        if _more_than(self.limit_bytes) > most_bytes:
            what = f"a limit of {self.limit_bytes} bytes {self.direction}"
            raise beyond(self, link, what, f"no more than {most_bytes} bytes")
        return _AimedLimitData(self, link, name)


class _AimedSlowClose(Slowing):
    def __init__(self, fault: SlowCloseFault, link: Link, name: str) -> None:
        super().__init__(link, fault.toxics(name))
        self._late_s = fault.delay_s * len(streams(fault.direction))

    def observe(self) -> Observed:
        observed = self.link.canary.end()
        return Observed(observed.state, observed.took_s, observed.detail, self._late_s)


class _AimedLimitData(Toxics):
    def __init__(self, fault: LimitDataFault, link: Link, name: str) -> None:
        super().__init__(link, [(name, LimitData(fault.limit_bytes, fault.direction))])
        self._fault = fault

    def observe(self) -> Observed:
        carried = self.link.canary.carry(self._fault.direction, _more_than(self._fault.limit_bytes))
        detail = f"{carried.sent_bytes} bytes there, {carried.came_bytes} back"
        return Observed(carried.state, carried.took_s, detail, carried.came_bytes)

    def missing(self, before: Observed, now: Observed) -> str | None:
        """Ask for an end, and for no more of the answer than may come; the question was answered whole before."""
        if error := not_whole(before):
            return error
        may_come = self._fault.limit_bytes if self._fault.direction == "downstream" else math.inf
        if may_come != math.inf and before.amount <= may_come:
            return f"an answer of {before.amount:.0f} bytes shows nothing of a limit of {may_come}"
        if now.state in {State.CLOSED, State.RESET} and now.amount <= may_come:
            return None
        return f"let {self._fault.limit_bytes} bytes through, but the canary was {now} against {before}"

    def remaining(self, before: Observed, now: Observed) -> str | None:
        return back_to_normal(before, now, slower_s=float("inf"))


def _more_than(limit_bytes: int) -> int:
    """Return how much shows that there is a limit: clearly more, for the answers' sizes are not known exactly."""
    return limit_bytes + limit_bytes // 4 + 500
