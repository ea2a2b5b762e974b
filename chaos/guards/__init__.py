"""Decides what may be broken: addresses, claims of stores, other runs and the stop file."""

from chaos.guards.addresses import addresses_in, check_addresses
from chaos.guards.guard import Guard, GuardedStore

__all__ = ["Guard", "GuardedStore", "addresses_in", "check_addresses"]
