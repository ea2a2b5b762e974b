"""Sockets by state, of real connections and of made-up tables."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.processes.sockets import FIGURES, SocketTables, _elsewhere, parse_table
from harness.wait import wait_until

COUNTERS = [lambda pids: SocketTables().count(pids), _elsewhere]
HEADING = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
STATES = {1: "established", 8: "close_wait"}


@pytest.fixture
def after() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connected(after: ExitStack, listening: socket.socket) -> tuple[socket.socket, socket.socket]:
    near = after.enter_context(socket.create_connection(listening.getsockname()[:2]))
    far = after.enter_context(closing(listening.accept()[0]))
    return near, far


@pytest.mark.parametrize("count", COUNTERS, ids=["tables", "psutil"])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_connection_that_its_holder_forgot_is_told_from_a_living_one(
    count: object, family: socket.AddressFamily, after: ExitStack
) -> None:
    assert callable(count)
    before = count([os.getpid()])
    listening = after.enter_context(socket.socket(family))
    listening.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
    listening.listen()
    for _ in range(3):
        connected(after, listening)
    for _ in range(2):
        _, far = connected(after, listening)
        far.close()
    pair = socket.socketpair()
    for end in pair:
        after.enter_context(end)

    def seen() -> str | None:
        now = count([os.getpid()])
        grown = {figure: now[figure] - before[figure] for figure in FIGURES}
        return None if grown == {"established": 6, "close_wait": 2, "other": 3} else str(grown)

    wait_until("the states", seen, limit_s=10)


def test_a_socket_that_a_tree_shares_counts_once() -> None:
    own = SocketTables().count([os.getpid()])
    assert SocketTables().count([os.getpid(), os.getpid()]) == own


def test_whoever_is_gone_has_none() -> None:
    assert not SocketTables().count([2**22 + 1])
    assert not _elsewhere([2**22 + 1])


def test_what_the_system_refuses_is_no_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> list[str]:
        raise PermissionError(path)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(psutil.AccessDenied):
        SocketTables().count([os.getpid()])


rows = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 2**32)), max_size=30, unique_by=lambda row: row[1])


@given(rows)
def test_a_table_says_who_is_in_one_of_the_two_states(entries: list[tuple[int, int]]) -> None:
    lines = [
        f"{n:4}: 0100007F:1F90 00000000:0000 {state:02X} 00000000:00000000 00:00000000 00000000 0 0 {inode} 1 0"
        for n, (state, inode) in enumerate(entries)
    ]
    text = "\n".join([HEADING, *lines]).encode()
    assert dict(parse_table(text)) == {inode: STATES[state] for state, inode in entries if state in STATES}


@given(st.binary(max_size=400))
def test_a_table_that_is_none_does_no_harm(text: bytes) -> None:
    assert all(state in FIGURES for _, state in parse_table(text))
