"""Directions of a link: `upstream` is towards the callee, `downstream` towards the caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Stream = Literal["upstream", "downstream"]
Direction = Literal["upstream", "downstream", "both"]


def streams(direction: Direction) -> tuple[Stream, ...]:
    """Return what a direction is made of. Raises ValueError for one that there is not."""
    table: Mapping[str, tuple[Stream, ...]] = {
        "upstream": ("upstream",),
        "downstream": ("downstream",),
        "both": ("upstream", "downstream"),
    }
    if direction not in table:
        raise ValueError(f"direction = {direction!r}: must be one of {', '.join(table)}")
    return table[direction]
