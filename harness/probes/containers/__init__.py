"""Measures containers by their control groups and their engine."""
