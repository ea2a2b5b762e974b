"""Brings a system up as processes of this machine, and ends them however the run ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.lazy import lazily

if TYPE_CHECKING:
    from infra.local.leftovers import read_record, take_down

__all__ = ["read_record", "take_down"]

# The reaper starts as `-m infra.local.reaper`, not to be loaded twice.
__getattr__ = lazily(
    __name__,
    {
        "infra.local.leftovers": "read_record take_down",
    },
)
