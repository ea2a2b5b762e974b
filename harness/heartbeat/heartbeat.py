"""The canary of a run: probes the system's entry point, 50 times a second while its answer may change.

Each probe is one GET on a connection of its own, with a deadline and without a
retry: a client that pools or retries hides the fault. Probes are due by the
clock, independent of those before them, so that one that hangs delays no
other; at the deadline and the pace there are, never more than 50 hang at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from harness.heartbeat.aftermaths import RECOVERY_LIMIT_S, Aftermaths, Record
from harness.heartbeat.looks import HOLD_S, LATE_S, Look
from harness.heartbeat.words import FAILED, KIND
from harness.http_connection import HttpConnection, NotHttp, RawReply

# What a user may wait for an answer that takes a few milliseconds.
DEADLINE_S = 1.0
# The deadline of the last probe, and a little for a machine that is busy.
_JOIN_S = 3.0
_HEARD = frozenset({"fault", "phase"})
_GOOD = range(200, 300)
_BUSY = frozenset({429})
_ANSWERS = range(200, 500)
# What this machine has run out of says nothing of the system.
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})


@dataclass(frozen=True, slots=True)
class HealthEndpoint:
    """Where to ask: plain HTTP at a numeric `host`.

    `path` should answer 2xx only when everything behind it works. With `any_answer` it is one that knows nothing
    of that, and any answer of the service itself is good: anything but a 5xx, and 429.
    """

    host: str
    port: int
    path: str = "/ready"
    any_answer: bool = False

    @property
    def request(self) -> bytes:
        """One whole request."""
        head = f"GET {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nUser-Agent: heavyweather-canary\r\n"
        return f"{head}Connection: close\r\n\r\n".encode("ascii")

    def accepts(self, status: int) -> bool:
        """Return whether a reply of that status says that the system works."""
        return status in (_ANSWERS if self.any_answer else _GOOD) and status not in _BUSY


@dataclass(slots=True, eq=False)
class _Asked:
    """A probe on its way; `left_out` when it says more of this machine than of the system."""

    due_s: float
    task: asyncio.Task[None] | None = None
    reply: asyncio.Future[RawReply] | None = None
    done_s: float | None = None
    ok: bool = False
    doubted: bool = False
    left_out: bool = False


class Heartbeat:
    """Probes `door` while a fault or its aftermath lasts, and records by `note` what it observed of each.

    `now_s` gives the run's seconds, and `note(kind, **detail)` records an event; both are called on a thread of the
    canary's own, which costs nothing while there is nothing to watch. `hold_s` is how long answers must last, and
    `limit_s` how long an aftermath is watched at most.
    """

    def __init__(
        self,
        door: HealthEndpoint,
        *,
        now_s: Callable[[], float],
        note: Callable[..., object],
        hold_s: float = HOLD_S,
        limit_s: float = RECOVERY_LIMIT_S,
    ) -> None:
        self._door = door
        self._request = door.request
        self._now_s = now_s
        self._note = note
        self._aftermaths = Aftermaths(hold_s=hold_s, limit_s=limit_s)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._asked: deque[_Asked] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._pace_s: float | None = None
        self._due_s = 0.0
        self._failed = False

    def note(self, kind: str, **detail: object) -> None:
        """Receive an event as the recorder notes it; from any thread, without waiting."""
        if kind not in _HEARD:
            return
        t_s = self._now_s()
        if self._loop is None:
            if detail.get("step") != "injected":
                return
            self._start()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # closed: no more probes
                self._loop.call_soon_threadsafe(self._hear, t_s, kind, detail)

    def close(self) -> None:
        """Stop probing, and record what was observed until now; returns once that is done. Harmless when repeated."""
        if self._loop is None or self._thread is None:
            return
        with contextlib.suppress(RuntimeError):  # closed before
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_JOIN_S)

    def _start(self) -> None:
        self._loop = _new_loop()
        self._loop.set_exception_handler(self._fail)
        self._thread = threading.Thread(target=self._run, args=[self._loop], name="canary", daemon=True)
        self._thread.start()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.run_forever()
            loop.run_until_complete(self._end())
        finally:
            loop.close()

    async def _end(self) -> None:
        self._record(self._aftermaths.end())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _fail(self, _loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Record, once, that the canary itself has a bug: what it was watching is then not observed to its end."""
        if not self._failed:
            self._failed = True
            error = context.get("exception")
            self._note(KIND, step=FAILED, reason=f"{type(error).__name__}: {context.get('message')}")

    def _hear(self, t_s: float, kind: str, detail: dict[str, object]) -> None:
        self._record(self._aftermaths.hear(t_s, kind, detail))
        pace_s = self._aftermaths.pace_s
        begins = pace_s is not None and (self._pace_s is None or pace_s < self._pace_s)
        if begins and self._pace_s is None:
            self._due_s = self._now_s() + (pace_s or 0.0)
        elif begins or detail.get("step") == "proved":
            # From here on every moment counts; and a proved fault is probed once at least.
            self._due_s = self._now_s()
        elif pace_s == self._pace_s:
            return
        self._pace_s = pace_s
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        waits = self._pace_s is not None
        self._timer = loop.call_later(max(0.0, self._due_s - self._now_s()), self._beat) if waits else None

    def _beat(self) -> None:
        """Send the probe that is due, leave out those that this machine was too late for, and schedule the next."""
        self._pace_s = pace_s = self._aftermaths.pace_s
        if pace_s is None:
            self._timer = None
            return
        now_s = self._now_s()
        if now_s - self._due_s > LATE_S:
            self._aftermaths.leave_out(int((now_s - self._due_s) / pace_s) + 1)
            self._due_s = now_s
            for asked in self._asked:
                # Its answer may have been here unread for as long.
                asked.doubted = True
        # A timer may end a little early, and what is asked early must not be taken for later.
        asked = _Asked(min(self._due_s, now_s))
        self._asked.append(asked)
        asked.task = task = asyncio.get_running_loop().create_task(self._probe(asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._due_s += pace_s
        self._set_timer()

    async def _probe(self, asked: _Asked) -> None:
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + DEADLINE_S
        deadline = loop.call_at(ends_s, self._expire, asked, ends_s)
        try:
            _, connection = await loop.create_connection(
                lambda: HttpConnection(loop, _unasked), self._door.host, self._door.port
            )
            try:
                asked.reply = connection.exchange(self._request, b"")
                reply = await asked.reply
            finally:
                connection.abort()
            asked.ok = self._door.accepts(reply.status)
            asked.left_out = asked.left_out or (asked.ok and asked.doubted)
        except OSError as error:
            asked.left_out = error.errno in _OURS
        except (asyncio.CancelledError, NotHttp):
            # Given up at its deadline, or answered with what is no HTTP: it failed.
            pass
        finally:
            deadline.cancel()
            asked.done_s = self._now_s()
            self._see_ended()

    def _expire(self, asked: _Asked, ends_s: float) -> None:
        """Give a probe up, unless its answer is here and only was not read yet."""
        if asked.task is not None and (asked.reply is None or not asked.reply.done()):
            asked.left_out = asyncio.get_running_loop().time() - ends_s > LATE_S
            asked.task.cancel()

    def _see_ended(self) -> None:
        """Evaluate what has ended, in the order in which it was due."""
        while self._asked and (done_s := self._asked[0].done_s) is not None:
            asked = self._asked.popleft()
            if asked.left_out:
                self._aftermaths.leave_out(1)
            else:
                self._record(self._aftermaths.see(Look(asked.due_s, done_s, asked.ok)))

    def _record(self, records: list[Record]) -> None:
        for record in records:
            self._note(KIND, **record)


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's loop where uvloop exists: it halves what a probe costs."""
    try:
        import uvloop  # noqa: PLC0415 - absent on Windows, and where it was not built
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _unasked() -> None:
    """Count no replies without a request: they end the connection."""
