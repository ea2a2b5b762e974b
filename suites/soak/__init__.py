"""Soak: a steady load for long enough to see what it leaves behind."""
