"""Undoes what faults changed, also when the runner dies: the ledger, the guardian and `heal`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.lazy import lazily

if TYPE_CHECKING:
    from chaos.healing.actions import ACTIONS
    from chaos.healing.guardian import Guardian
    from chaos.healing.heal import clear, heal_all
    from chaos.healing.ledger import Ledger, UndoEntry

__all__ = ["ACTIONS", "Guardian", "Ledger", "UndoEntry", "clear", "heal_all"]

# The guardian starts as `-m chaos.healing.guardian_process`, not to be loaded twice.
__getattr__ = lazily(
    __name__,
    {
        "chaos.healing.actions": "ACTIONS",
        "chaos.healing.guardian": "Guardian",
        "chaos.healing.heal": "clear heal_all",
        "chaos.healing.ledger": "Ledger UndoEntry",
    },
)
