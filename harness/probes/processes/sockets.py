"""The sockets that a tree of processes holds, by state: what leaks is often not memory but these.

On Linux the kernel's table of TCP connections is read once for all processes
of a network namespace, as it costs milliseconds whoever asks; elsewhere psutil
is asked process by process.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

# How /proc/net/tcp writes the two states that tell a leak; see net/tcp_states.h.
_STATES = {b"01": "established", b"08": "close_wait"}
_PSUTIL_STATES = {psutil.CONN_ESTABLISHED: "established", psutil.CONN_CLOSE_WAIT: "close_wait"}
FIGURES = ("established", "close_wait", "other")


class SocketTables:
    """Reads each network namespace's table once; made anew for each look."""

    def __init__(self) -> None:
        self._tables: dict[int, Mapping[int, str]] = {}

    def count(self, pids: Iterable[int]) -> Counter[str]:
        """Return how many sockets a tree of processes holds, by the words of `FIGURES`; a shared one counts once.

        `other` is every socket but a TCP connection in one of the two states: those that listen, datagram and Unix
        ones, and those that were closed by the network and not by their holder. Raises psutil.AccessDenied.
        """
        return self._linux(pids) if sys.platform == "linux" else _elsewhere(pids)

    def _linux(self, pids: Iterable[int]) -> Counter[str]:
        states: dict[int, str] = {}
        for pid in pids:
            if inodes := _inodes(pid):
                table = self._table(pid)
                states |= {inode: table.get(inode, "other") for inode in inodes}
        return Counter(states.values())

    def _table(self, pid: int) -> Mapping[int, str]:
        try:
            namespace = os.stat(f"/proc/{pid}/ns/net").st_ino  # noqa: PTH116 - a magic link, followed
            if namespace not in self._tables:
                self._tables[namespace] = {
                    inode: state
                    for name in ("tcp", "tcp6")
                    for inode, state in parse_table(Path(f"/proc/{pid}/net/{name}").read_bytes())
                }
            return self._tables[namespace]
        except (FileNotFoundError, ProcessLookupError):
            return {}  # it ended meanwhile
        except PermissionError as error:
            raise psutil.AccessDenied(pid) from error


def parse_table(text: bytes) -> Iterable[tuple[int, str]]:
    """Yield (inode, state) for each connection of a text of /proc/net/tcp that is in one of the two states."""
    for line in text.splitlines()[1:]:
        words = line.split(None, 10)
        if len(words) >= 10 and words[3] in _STATES and words[9].isdigit():
            yield int(words[9]), _STATES[words[3]]


def _inodes(pid: int) -> list[int]:
    """Return the inodes of a process's sockets; none of one that ended."""
    folder, found = f"/proc/{pid}/fd", []
    try:
        descriptors = os.listdir(folder)  # noqa: PTH208 - names are all that is wanted, and there may be thousands
    except (FileNotFoundError, ProcessLookupError):
        return []
    except PermissionError as error:
        raise psutil.AccessDenied(pid) from error
    for descriptor in descriptors:
        with contextlib.suppress(OSError):  # closed meanwhile
            target = os.readlink(f"{folder}/{descriptor}")  # noqa: PTH115 - as above
            if target.startswith("socket:["):
                found.append(int(target[8:-1]))
    return found


def _elsewhere(pids: Iterable[int]) -> Counter[str]:
    states: dict[object, str] = {}
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            for socket in psutil.Process(pid).net_connections("all"):
                # A socket that a tree shares has the same two ends in each of its processes.
                ends = (socket.laddr, socket.raddr) if socket.laddr or socket.raddr else (pid, socket.fd)
                states[socket.type, ends] = _PSUTIL_STATES.get(socket.status, "other")
    return Counter(states.values())
