"""httpx under uvloop, one shared client, as its documentation has it."""

from __future__ import annotations

import httpx
import uvloop

from benchmarks.contestants.pacing import pace
from benchmarks.contestants.task import DOCUMENT, Task, read_task


async def drive(task: Task) -> None:
    """Do the task with one shared client."""
    limits = httpx.Limits(max_connections=task.connections, max_keepalive_connections=task.connections)
    async with httpx.AsyncClient(limits=limits, trust_env=False) as client:

        async def post() -> object:
            response = await client.post(task.url, json=DOCUMENT)
            return response.raise_for_status().json()

        await pace(post, task)


if __name__ == "__main__":
    uvloop.run(drive(read_task()))
