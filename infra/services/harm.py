"""The planted defects that strike at any request, whatever it asks."""

from __future__ import annotations

import os
from collections import deque

from .defects import Planted

_ENTRY_BYTES = 8192
_KIB = 1024


class Harm:
    """What the requests of one process left behind."""

    def __init__(self, planted: Planted) -> None:
        self._planted = planted
        self._leaked: list[bytes] = []
        self._cached: deque[bytes] = deque(maxlen=-(-planted.number("full_cache") * _KIB // _ENTRY_BYTES))

    @property
    def cache_bytes(self) -> int:
        """What the cache of `full_cache` holds."""
        return len(self._cached) * _ENTRY_BYTES

    def strike(self) -> None:
        """Take one request's toll."""
        if size_bytes := self._planted.number("leak_memory"):
            # Written, not merely allotted: pages that nobody touched take no memory.
            self._leaked.append(b"\xa5" * size_bytes)
        if self._planted.has("full_cache"):
            self._cached.append(b"\x5a" * _ENTRY_BYTES)
        if self._planted.strikes("leak_fd"):
            try:
                os.dup(0)
            except OSError:
                # None are left; the harm is done.
                return
