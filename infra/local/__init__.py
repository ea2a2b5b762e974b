"""Brings a system up as processes of this machine, and ends them however the run ends."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.local.leftovers import read_record, take_down

# Resolved at their first use: the reaper starts as `-m infra.local.reaper`, which must not be loaded a second time.
__all__ = ["read_record", "take_down"]


def __getattr__(name: str) -> object:
    """Return a name of the face. Raises AttributeError for any other."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("infra.local.leftovers"), name)
