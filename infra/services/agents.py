"""Agents: short background work that outlives its request, and of which there is only so much at once.

Work that nobody bounds is how a service dies of success, so a full house
answers 503, and what runs is counted where a leak of tasks would show.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .replies import Json, Unavailable

MOST = 100
_STEPS = 10
_STEP_S = 0.1
_STEP_BYTES = 64 * 1024


class Agents:
    """The agents of one process."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        """Return where agents are made."""
        return [Route("/agents", self._post, methods=["POST"])]

    @property
    def running(self) -> int:
        """How many are at work."""
        return len(self._tasks)

    async def _post(self, _request: Request) -> Response:
        if self.running >= MOST:
            raise Unavailable("agents", f"{MOST} are at work already")
        name = uuid.uuid4().hex
        task = asyncio.create_task(_work(name), name=f"agent-{name}")
        # Held here: the loop keeps only weak references to its tasks.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Json({"id": name}, 202)

    async def close(self) -> None:
        """End all that are at work."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _work(name: str) -> None:
    """Hash and wait in turns for about a second: some memory, some CPU, mostly waiting, as an agent's day is."""
    digest = name.encode()
    for _ in range(_STEPS):
        digest = hashlib.sha256(digest * (_STEP_BYTES // len(digest))).digest()
        await asyncio.sleep(_STEP_S)
