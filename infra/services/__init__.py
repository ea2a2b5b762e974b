"""The reference stack's own programs: the system under test, which must run alone in a container.

Imports nothing here, so that `python -m services.NAME` loads each module once.
"""
