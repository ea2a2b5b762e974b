"""pyreqwest in a plain loop: the cheapest HTTP client that could be had, without an engine around it."""

from __future__ import annotations

import uvloop
from pyreqwest.client import ClientBuilder

from benchmarks.contestants.pacing import pace
from benchmarks.contestants.task import DOCUMENT, Task, read_task


async def drive(task: Task) -> None:
    """Do the task with one shared client."""
    builder = ClientBuilder().http1_only().no_proxy().pool_max_idle_per_host(task.connections).error_for_status(True)
    async with builder.build() as client:

        async def post() -> object:
            response = await client.post(task.url).body_json(DOCUMENT).build().send()
            return await response.json()

        await pace(post, task)


if __name__ == "__main__":
    uvloop.run(drive(read_task()))
