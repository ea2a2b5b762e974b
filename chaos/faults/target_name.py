"""What every fault asks of the name of its target: that there is one. Nothing is ever broken by default."""

from __future__ import annotations


def check_target(target: str) -> None:
    """Raise ValueError for a name that is empty, or only looks like one."""
    if not target.strip():
        raise ValueError(f"target = {target!r}: must name what is to be broken")
