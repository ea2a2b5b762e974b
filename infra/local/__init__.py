"""Brings a system up as processes of this machine, and ends them whatever happens."""

from infra.local.leftovers import read_record, take_down

__all__ = ["read_record", "take_down"]
