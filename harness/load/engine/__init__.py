"""Sends what is due when it is due, and records how late it was."""
