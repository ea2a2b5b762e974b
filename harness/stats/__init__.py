"""Decides from numbers: pure functions that know no clock, socket or log."""
