"""Soak: a steady load for long enough to show leaks, slowdown and loss."""
