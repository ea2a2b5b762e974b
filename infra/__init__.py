"""Brings up: the stack under test, and what it needs from the machine."""
