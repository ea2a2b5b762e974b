"""Drives the system under test: when each request is due, what it asks, how it ended."""
