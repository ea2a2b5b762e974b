"""Faults of every kind and timelines of every form, for tests that must hold for all of them."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import strategies as st

from chaos.faults.fault import Fault, can_be_ramped
from chaos.faults.kinds import KINDS
from chaos.faults.ranges import choices_of, hints_of
from chaos.profile.swizzle import Swizzle
from chaos.profile.timeline import At, Every, Ramp, TimelineEntry

# Around what a kind has as its example: less of it, and odd fractions.
SHARES = st.sampled_from([1, 0.5, 0.9, 1 / 3])


@st.composite
def faults(draw: st.DrawFn, kinds: tuple[str, ...] = tuple(KINDS)) -> Fault:
    """Draw a fault of any kind: its example, and where its rules allow it one beside that."""
    kind = KINDS[draw(st.sampled_from(kinds))]
    example = kind(target="redis", **kind.example)
    values: dict[str, Any] = {}
    for name, hint in hints_of(kind):
        value = getattr(example, name)
        if choices := choices_of(hint):
            values[name] = draw(st.sampled_from(choices))
        elif isinstance(value, int | float):
            values[name] = type(value)(value * draw(SHARES))
    try:
        drawn: Fault = dataclasses.replace(example, **values)
    except ValueError:
        return example  # type: ignore[no-any-return]  # a registered class is a fault
    return drawn


RAMPED = tuple(name for name, kind in KINDS.items() if can_be_ramped(kind))


@st.composite
def timelines(draw: st.DrawFn) -> list[TimelineEntry]:
    """Draw entries of every form, one after another in time."""
    entries: list[TimelineEntry] = []
    begins_s = 0.0
    for form in draw(st.lists(st.sampled_from(["once", "repeated", "ramped", "swizzled"]), min_size=1, max_size=4)):
        at_s, for_s = begins_s + draw(st.integers(0, 50)) / 10, draw(st.integers(5, 90)) / 10
        fault = draw(faults())
        begins_s = at_s + for_s
        match form:
            case "repeated":
                spread_s, times = draw(st.sampled_from([0.0, 0.5])), draw(st.integers(1, 4))
                entries.append(Every(at_s, for_s + spread_s, for_s, fault, times=times, spread_s=spread_s))
                begins_s = at_s + (for_s + spread_s) * times
            case "ramped":
                one, other = draw(faults(RAMPED)), draw(faults(RAMPED))
                if (one.kind, one.claims) == (other.kind, other.claims) and one != other and _numbers_only(one, other):
                    entries.append(Ramp(at_s, for_s, one, other, steps=draw(st.integers(2, 6))))
            case "swizzled":
                entries.append(Swizzle(at_s, for_s, ("api_redis", "api_auth"), gap_s=for_s / 4))
            case _:
                entries.append(At(at_s, for_s, fault))
        begins_s += 1.0
    return entries


def _numbers_only(one: Any, other: Any) -> bool:
    return getattr(one, "direction", "") == getattr(other, "direction", "")
