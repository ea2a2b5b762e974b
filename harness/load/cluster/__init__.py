"""The load from more than one process or machine."""
