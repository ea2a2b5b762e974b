"""Where slow probes are asked: one thread with one event loop for all of them.

Each is asked once at a time and has a limit, so that one that hangs is late
alone; whoever asked picks the answers up whenever it likes.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple, TypeVar

from harness.probes.reading import Reading, SlowProbe, Unreadable, reason

T = TypeVar("T")

# Longer than any look should take, and short enough that one that hangs is told of before the next minute.
DEADLINE_S = 5.0
_CLOSE_S = 1.0
# The loop's own limit and a little for a machine that is busy.
_JOIN_S = 3.0


class Answer(NamedTuple):
    """How one look ended: with a reading, or without and why."""

    name: str
    reading: Reading | None
    reason: str = ""


class Background:
    """Asks slow probes; all its methods are for one thread, that of the sampler."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._probes: dict[str, SlowProbe] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self._waited_for: set[str] = set()
        self._answered = threading.Event()
        self._answered.set()

    def waits_for(self, name: str) -> bool:
        """Return whether the probe of that name has not answered yet."""
        return name in self._waited_for

    def ask(self, probes: Sequence[SlowProbe], *, deadline_s: float = DEADLINE_S) -> None:
        """Have probes look, none of which may be waited for; all at once, for each wake-up of a thread costs."""
        if not probes:
            return
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._run, args=[self._loop], name="probes", daemon=True)
            self._thread.start()
        self._probes |= {probe.name: probe for probe in probes}
        self._waited_for.update(probe.name for probe in probes)
        self._answered = threading.Event()
        self._loop.call_soon_threadsafe(self._begin, tuple(probes), deadline_s, self._answered)

    def take(self, *, wait_s: float = 0.0) -> Iterator[Answer]:
        """Yield the answers there are once all that were asked last have answered, after `wait_s` seconds at most."""
        if wait_s > 0:
            # Once for all of them: to be woken for each would cost more than what most of them do.
            self._answered.wait(wait_s)
        with contextlib.suppress(Empty):
            while True:
                answer = self._answers.get_nowait()
                self._waited_for.discard(answer.name)
                yield answer

    def close(self) -> None:
        """Give up what is waited for and close every probe that was ever asked, within a limit."""
        if self._loop is None or self._thread is None:
            return
        with contextlib.suppress(RuntimeError):  # closed before
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_JOIN_S)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_forever()
        try:
            loop.run_until_complete(self._end())
        finally:
            loop.close()

    def _begin(self, probes: Sequence[SlowProbe], deadline_s: float, answered: threading.Event) -> None:
        asked = {asyncio.get_running_loop().create_task(self._look(probe, deadline_s)) for probe in probes}
        self._tasks |= asked

        def end(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            asked.discard(task)
            if not asked:
                answered.set()

        for task in tuple(asked):
            task.add_done_callback(end)

    async def _look(self, probe: SlowProbe, deadline_s: float) -> None:
        try:
            async with asyncio.timeout(deadline_s) as limit:
                answer = Answer(probe.name, await probe.read())
        except Exception as error:  # noqa: BLE001 - whatever it was, this probe has no sample and the others have
            late = limit.expired() and isinstance(error, TimeoutError)
            answer = Answer(probe.name, None, f"no answer within {deadline_s:g} s" if late else reason(error))
        self._answers.put(answer)

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        closing = [asyncio.create_task(probe.close()) for probe in self._probes.values()]
        if closing:
            _, hanging = await asyncio.wait(closing, timeout=_CLOSE_S)
            for task in hanging:
                task.cancel()
            await asyncio.gather(*closing, return_exceptions=True)


class Errand:
    """Calls a function that may block in a thread of its own, never twice at once.

    The thread is a daemon: nothing waits at the end for a disk or an engine that hangs.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._busy = False

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns. Raises what it raises, and Unreadable while an earlier call has not ended."""
        if self._busy:
            raise Unreadable("previous read still running")
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[T] = loop.create_future()

        def tell(value: T | None, error: BaseException | None) -> None:
            if ended.done():
                return
            if error is not None:
                ended.set_exception(error)
            else:
                ended.set_result(value)  # type: ignore[arg-type] # of its type, as there was no error

        def call() -> None:
            value: T | None = None
            failure: BaseException | None = None
            try:
                value = work()
            except Exception as error:  # noqa: BLE001 - it is raised where somebody waits for it
                failure = error
            self._busy = False
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(tell, value, failure)

        self._busy = True
        threading.Thread(target=call, name=self._name, daemon=True).start()
        return await ended
