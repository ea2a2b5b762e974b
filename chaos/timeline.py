"""When each fault comes and goes: expanded whole before the run, so that a replay runs the same schedule.

Pure: entries and a time scale go in; absolute seconds since the start of the
fault phase come out, kept to the microsecond, so that faults which only meet
still only meet after scaling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chaos.faults import Fault


@dataclass(frozen=True, slots=True)
class At:
    """A fault that begins `at_s` seconds into the fault phase and lasts `for_s`."""

    at_s: float
    for_s: float
    fault: Fault

    def __post_init__(self) -> None:
        """Raise ValueError for a time that cannot be."""
        if not (0 <= self.at_s < math.inf and 0 < self.for_s < math.inf):
            raise ValueError(f"at_s = {self.at_s}, for_s = {self.for_s}: a fault begins at 0 or later and lasts")


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault with its absolute times, in seconds since the start of the fault phase."""

    inject_s: float
    heal_s: float
    fault: Fault


def expand(entries: Sequence[At], *, time_scale: float) -> list[Planned]:
    """Return the schedule in the order of injection, all times multiplied by `time_scale`.

    Raises ValueError when two faults would break one hop at the same time: the
    undoing of one would mend half of the other; or when one would not last a
    microsecond.
    """
    planned = sorted(
        (_plan(e.at_s * time_scale, (e.at_s + e.for_s) * time_scale, e.fault) for e in entries),
        key=lambda p: (p.inject_s, p.heal_s, p.fault.hop),
    )
    for n, one in enumerate(planned):
        for other in planned[n + 1 :]:
            if one.fault.hop == other.fault.hop and other.inject_s < one.heal_s:
                rule = "two faults on one hop must not overlap"
                raise ValueError(
                    f"{one.fault.kind} and {other.fault.kind} on {one.fault.hop} at {other.inject_s} s: {rule}"
                )
    return planned


def _plan(inject_s: float, heal_s: float, fault: Fault) -> Planned:
    planned = Planned(round(inject_s, 6), round(heal_s, 6), fault)
    if planned.inject_s >= planned.heal_s:
        raise ValueError(f"{fault.kind} on {fault.hop} at {inject_s} s: lasts less than a microsecond")
    return planned
