"""Looks at the system under test from outside: health, processes, containers."""
