"""Undoes what faults changed, also when the runner dies: the ledger, the guardian and `heal`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chaos.healing.actions import ACTIONS
    from chaos.healing.guardian import Guardian
    from chaos.healing.heal import clear, heal_all
    from chaos.healing.ledger import Ledger, UndoEntry

# Resolved at their first use: the guardian starts as `-m chaos.healing.guardian_process`, not to be loaded twice.
_FROM = {
    "ACTIONS": "chaos.healing.actions",
    "UndoEntry": "chaos.healing.ledger",
    "Guardian": "chaos.healing.guardian",
    "Ledger": "chaos.healing.ledger",
    "clear": "chaos.healing.heal",
    "heal_all": "chaos.healing.heal",
}

__all__ = ["ACTIONS", "Guardian", "Ledger", "UndoEntry", "clear", "heal_all"]


def __getattr__(name: str) -> object:
    """Return a name of the face. Raises AttributeError for any other."""
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_FROM[name]), name)
