"""Decides what may be broken: addresses, claims of stores, other runs and the stop file."""

from chaos.guards.addresses import addresses_in, check_addresses
from chaos.guards.guard import Door, Guard

__all__ = ["Door", "Guard", "addresses_in", "check_addresses"]
