"""Stops, ends, restarts and squeezes processes and containers."""
