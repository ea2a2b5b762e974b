"""The heap in use, from glibc itself: what RSS hides, for freed memory stays resident until it is wanted again.

Python's small objects are not in it (its own allocator takes whole arenas from
the system), which is why the blocks that it has lent are counted beside it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

_FIELDS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class _MallInfo2(ctypes.Structure):
    """`struct mallinfo2` of malloc.h: `uordblks` are bytes in use, `hblkhd` bytes of blocks mapped one by one."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in _FIELDS)


def heap_reader() -> Callable[[], float] | None:
    """Return what reads the bytes in use; None where the C library cannot tell (any but glibc 2.33 and later)."""
    try:
        mallinfo2 = ctypes.CDLL(None).mallinfo2
    except (OSError, AttributeError, TypeError):
        return None
    mallinfo2.argtypes = []
    mallinfo2.restype = _MallInfo2

    def read() -> float:
        info = mallinfo2()
        return float(info.uordblks + info.hblkhd)

    return read
