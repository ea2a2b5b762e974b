"""A desk that keeps what sessions record, and lets a test wait for it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from harness.load.call import Call, now_ns
from harness.load.engine.session import Session
from harness.records import Outcome, Sample

LIMIT_S = 10.0
LOOPS = ["asyncio"] if sys.platform == "win32" else ["asyncio", "uvloop"]


def play(scene: Coroutine[Any, Any, None], loop: str = "asyncio") -> None:
    """Run a scene on the named kind of loop."""
    factory = None
    if loop == "uvloop":
        import uvloop  # noqa: PLC0415 - absent on Windows

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(scene)


class FakeDesk:
    """Stamps and keeps every call; `open` are those begun and not ended."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.open: set[Call] = set()
        self.clients = None
        # As if the run had gone on for a while: a message may be older than the session.
        self._epoch_ns = now_ns() - 10**10
        self._begun = 0
        self._stop = asyncio.Event()
        self._changed = asyncio.Event()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def stop(self) -> None:
        self._stop.set()

    def now_ns(self) -> int:
        return now_ns() - self._epoch_ns

    async def perform(self, operation: str, *, user: int, due_ns: int) -> Outcome:
        raise NotImplementedError

    def begin(self, operation: str, *, user: int) -> Call:
        self._begun += 1
        call = Call(operation, self._begun, user=user, intended_ns=self.now_ns())
        self.open.add(call)
        return call

    def end(self, call: Call, outcome: Outcome) -> None:
        self.open.remove(call)
        call.outcome = outcome
        call.done_ns = self.now_ns()
        self.samples.append(call.sample())
        self.changed()

    async def pause(self, duration_s: float) -> bool:
        try:
            async with asyncio.timeout(duration_s):
                await self._stop.wait()
        except TimeoutError:
            return True
        return False

    def changed(self) -> None:
        """Have `until` look again."""
        self._changed.set()

    def of(self, operation: str, outcome: Outcome | None = None) -> list[Sample]:
        return [s for s in self.samples if s.operation == operation and outcome in {None, s.outcome}]

    def count(self, operation: str, outcome: Outcome | None = None) -> int:
        return len(self.of(operation, outcome))

    async def until(self, seen: Callable[[], bool]) -> None:
        """Wait until `seen`, looking whenever a call ended or `changed` was called."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while not seen():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not seen among {self.samples[-20:]}") from None


@asynccontextmanager
async def playing(session: Session[None], desk: FakeDesk) -> AsyncIterator[asyncio.Task[None]]:
    """Run a session; then stop it, and see that it left neither a call nor a task behind."""
    before = asyncio.all_tasks()

    async def run() -> None:
        await session(desk)

    task = asyncio.create_task(run())
    try:
        yield task
    finally:
        desk.stop()
        async with asyncio.timeout(LIMIT_S):
            await asyncio.wait([task])
    await task
    assert not desk.open
    left = [one for one in asyncio.all_tasks() - before if "harness/load" in str(one)]
    assert not left
