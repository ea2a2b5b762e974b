"""aiohttp under uvloop, one shared session."""

from __future__ import annotations

import aiohttp
import uvloop

from benchmarks.contestants.pacing import pace
from benchmarks.contestants.task import DOCUMENT, Task, read_task


async def drive(task: Task) -> None:
    """Do the task with one shared session."""
    connector = aiohttp.TCPConnector(limit=task.connections)
    async with aiohttp.ClientSession(connector=connector, raise_for_status=True) as session:

        async def post() -> object:
            async with session.post(task.url, json=DOCUMENT) as response:
                return await response.json()

        await pace(post, task)


if __name__ == "__main__":
    uvloop.run(drive(read_task()))
