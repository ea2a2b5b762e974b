"""Slow probes that do as a test wishes, without a clock: they answer when they are told to."""

import asyncio
import threading

from harness.probes.reading import Reading


class Told:
    """Looks until it is told the answer, from whichever thread; an error is raised, a number read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = 0
        self.at_once = 0
        self.most_at_once = 0
        self.closed = threading.Event()
        self.begun = threading.Semaphore(0)
        self._answers: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[float]]] = []

    def tell(self, answer: float | Exception) -> None:
        loop, future = self._answers.pop(0)
        if isinstance(answer, Exception):
            loop.call_soon_threadsafe(future.set_exception, answer)
        else:
            loop.call_soon_threadsafe(future.set_result, answer)

    def wait_asked(self) -> None:
        assert self.begun.acquire(timeout=10)

    async def read(self) -> Reading:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[float] = loop.create_future()
        self._answers.append((loop, future))
        self.begun.release()
        try:
            return Reading({f"{self.name}.figure": await future})
        finally:
            self.at_once -= 1

    async def close(self) -> None:
        self.closed.set()


class Ready:
    """Answers at once: how often it was asked."""

    def __init__(self, name: str, missing: tuple[str, ...] = ()) -> None:
        self.name = name
        self.missing = missing
        self.error: Exception | None = None
        self.asked = 0

    async def read(self) -> Reading:
        self.asked += 1
        if self.error:
            raise self.error
        return Reading({f"{self.name}.figure": float(self.asked)}, self.missing)

    async def close(self) -> None:
        """Nothing is held."""
