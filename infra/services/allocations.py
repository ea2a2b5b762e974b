"""Which lines hold the memory: tracemalloc's snapshot on request, where the service was started for it.

Off by default, since tracing makes every allocation dearer and takes memory of
its own, which no other measurement wants.
"""

from __future__ import annotations

import asyncio
import sys
import tracemalloc
from pathlib import PurePath
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .replies import Json

SITES_MOST = 200
# The line that allocated: more would multiply the cost, and the sites.
_FRAMES = 1


class Allocations:
    """One process's tracing; the process must have no other."""

    def __init__(self, *, traced: bool) -> None:
        self._traced = traced
        self._looking = asyncio.Lock()

    def routes(self) -> list[Route]:
        """Return where it is asked for."""
        return [Route("/debug/allocations", self._get, methods=["GET"])]

    def start(self) -> None:
        """Begin to trace."""
        if self._traced:
            tracemalloc.start(_FRAMES)

    def stop(self) -> None:
        """Trace no more."""
        if self._traced:
            tracemalloc.stop()

    async def _get(self, _request: Request) -> Response:
        if not self._traced:
            return Json({"tracing": False})
        # A snapshot copies every trace: one at a time, and its grouping off the event loop.
        async with self._looking:
            return Json(await asyncio.to_thread(_look))


def _look() -> dict[str, Any]:
    own = tracemalloc.Filter(inclusive=False, filename_pattern=tracemalloc.__file__)
    lines = tracemalloc.take_snapshot().filter_traces([own]).statistics("lineno")
    largest = lines[:SITES_MOST]
    sites = [{"where": _where(line.traceback[0]), "bytes": line.size, "count": line.count} for line in largest]
    return {"tracing": True, "total_bytes": sum(line.size for line in lines), "sites": sites}


def _where(frame: tracemalloc.Frame) -> str:
    return f"{_relative(frame.filename)}:{frame.lineno}"


def _relative(filename: str) -> str:
    """Return a source file's path below the folder that it is imported from, so that two machines agree on it."""
    path = PurePath(filename)
    # The longest first: site-packages lies within the folder of the standard library.
    for root in sorted(sys.path, key=len, reverse=True):
        if root and path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.name if path.is_absolute() else path.as_posix()
