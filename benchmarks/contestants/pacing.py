"""The benchmark's own pacer, the same for every peer that brings none.

Request i is due at start + i/rate, whatever became of those before; as plain
as that can be written, so that what a peer costs is the peer. An arrival that
finds all connections taken is dropped: the null server's count shows it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine

from benchmarks.contestants.task import Task

# uvloop's timers go in whole milliseconds; a shorter sleep would only spin.
_TICK_S = 0.001
# What is still under way at the end may take this long.
_DRAIN_S = 10.0

Send = Callable[[], Coroutine[object, object, object]]


async def pace(
    send: Send,
    task: Task,
    *,
    now: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> int:
    """Send each request of `task` when it is due, wait for the replies, and return how many were dropped.

    Raises what a send raised, in a group: a contestant with errors has no figures.
    """
    if task.requests is None:
        await _flat_out(send, task, now)
        return 0
    under_way: set[asyncio.Task[object]] = set()
    failures: list[BaseException] = []

    def end(one: asyncio.Task[object]) -> None:
        under_way.discard(one)
        if not one.cancelled() and (error := one.exception()) is not None:
            failures.append(error)

    dropped = 0
    start_s = now()
    for number in range(task.requests):
        while (wait_s := start_s + number / task.rate_per_s - now()) > 0:
            await sleep(max(wait_s, _TICK_S))
        if failures:
            break
        if len(under_way) >= task.connections:
            dropped += 1
            continue
        one = asyncio.create_task(send())
        under_way.add(one)
        one.add_done_callback(end)
    if under_way:
        await asyncio.wait(under_way, timeout=_DRAIN_S)
    if failures:
        raise BaseExceptionGroup("requests failed", failures[:1])
    return dropped


async def _flat_out(send: Send, task: Task, now: Callable[[], float]) -> None:
    """Use each connection again as soon as its reply is there, until the time is over."""
    end_s = now() + task.for_s

    async def repeat() -> None:
        while now() < end_s:
            await send()

    async with asyncio.TaskGroup() as group:
        for _ in range(task.connections):
            group.create_task(repeat())
