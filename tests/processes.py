"""Identities of processes to test with: any there might be, and strangers with an id that is known."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from harness.identity import ProcessId


def process_ids(*, exact: bool | None = None) -> st.SearchStrategy[ProcessId]:
    """Return identities with ticks, without (`exact` False: of earlier versions), or both."""
    pids, created_s = st.integers(1, 2**22), st.floats(0, 2e9)
    earlier = st.builds(ProcessId, pids, created_s)
    now = st.builds(ProcessId, pids, created_s, st.integers(0, 2**40), st.uuids().map(str))
    return st.one_of(*[now] * (exact is not False), *[earlier] * (exact is not True))


def stranger_to(process: ProcessId) -> ProcessId:
    """Return another process of the same id, which this machine does not have."""
    ticks = None if process.ticks is None else process.ticks - 1
    return replace(process, created_s=process.created_s - 3600, ticks=ticks)
