"""Asks one question through one hop, on a connection of its own and without a retry."""

from chaos.canary.canary import Canary

__all__ = ["Canary"]
