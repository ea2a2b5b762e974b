"""A run's canary without the run: notes as a recorder's, and what it tells."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from harness.heartbeat.heartbeat import HealthEndpoint, Heartbeat
from harness.records import Event
from harness.wait import wait_until
from tests.harness.servers import LIMIT_S

HOLD_S = 0.1


class Run:
    """Notes what happens as a recorder does, and keeps what the canary tells; its first second is `epoch_s`."""

    def __init__(self, door: HealthEndpoint, *, epoch_s: float = 0.0, **options: float) -> None:
        self._began_s = time.perf_counter() - epoch_s
        self.canary = Heartbeat(door, now_s=self.now_s, note=self.note, **({"hold_s": HOLD_S} | options))
        self.events: list[Event] = []
        self.broken = False

    def now_s(self) -> float:
        if self.broken:
            raise RuntimeError("a bug")
        return time.perf_counter() - self._began_s

    def note(self, kind: str, **detail: object) -> None:
        if kind == "canary":
            self.events.append(Event(0.0, kind, detail))
        self.canary.note(kind, **detail)

    def step(self, *steps: str) -> None:
        for step in steps:
            self.note("fault", step=step, fault="down", target="api_redis")

    def words(self, step: str = "seen") -> list[dict[str, Any]]:
        return [dict(event.detail) for event in self.events if event.detail["step"] == step]

    def wait_for(self, step: str = "seen") -> dict[str, Any]:
        wait_until(step, lambda: None if self.words(step) else "nothing told", limit_s=LIMIT_S)
        return self.words(step)[0]


@contextlib.contextmanager
def watching(port: int, **options: float) -> Iterator[Run]:
    """Run a canary that asks at a port of this machine."""
    run = Run(HealthEndpoint("127.0.0.1", port), **options)
    try:
        yield run
    finally:
        run.canary.close()
