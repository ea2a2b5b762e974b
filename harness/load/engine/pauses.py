"""Garbage collection of the generator itself: kept short, and every pause recorded.

A collection stops the pacer as it stops everything else. What a warm generator
holds will be held to the end, so it is frozen out of every later collection;
what still pauses is measured and goes into the journal beside the lag.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from time import perf_counter_ns
from types import TracebackType
from typing import Self


class GcPauses:
    """Counts the pauses of this process while entered; `take` returns what came since the last call."""

    def __init__(self) -> None:
        self._began_ns = 0
        self._pauses_ns: list[int] = []

    def __enter__(self) -> Self:
        gc.callbacks.append(self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        gc.callbacks.remove(self._note)
        gc.unfreeze()

    def freeze(self) -> None:
        """Collect once, and leave everything that is alive now out of later collections."""
        gc.collect()
        gc.freeze()

    def take(self) -> list[int]:
        """Return the pauses since the last call, in nanoseconds."""
        taken, self._pauses_ns = self._pauses_ns, []
        return taken

    def _note(self, phase: str, info: Mapping[str, int]) -> None:
        del info
        if phase == "start":
            self._began_ns = perf_counter_ns()
        else:
            self._pauses_ns.append(perf_counter_ns() - self._began_ns)
