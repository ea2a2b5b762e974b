"""Draws the page of a run: its verdict, charts and faults."""
