"""Undoes what faults changed, whatever happens to the runner: the ledger, the guardian and `heal`."""

from chaos.healing.actions import ACTIONS
from chaos.healing.guardian import Guardian
from chaos.healing.heal import clear, heal_all
from chaos.healing.ledger import Entry, Ledger

__all__ = ["ACTIONS", "Entry", "Guardian", "Ledger", "clear", "heal_all"]
