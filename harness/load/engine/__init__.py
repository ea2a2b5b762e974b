"""Sends what is due when it is due, and says how late it was."""
