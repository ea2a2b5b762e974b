"""A doomed runner as a process of ours, and what it said."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

import psutil

from harness.root import ROOT
from harness.wait import wait_until

LIMIT_S = 30.0


class Child:
    """One that was given its orders; `end` it in any case."""

    def __init__(self, orders: Mapping[str, Any]) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.doomed"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.popen.stdin is not None
        self.popen.stdin.write(json.dumps(orders).encode() + b"\n")
        self.popen.stdin.close()
        self.said: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        assert self.popen.stdout is not None
        with self.popen.stdout as lines:
            for line in lines:
                self.said.append(json.loads(line))

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return what it said so far of one kind."""
        return [each for each in list(self.said) if each["event"] == name]

    def event(self, name: str) -> dict[str, Any]:
        """Wait for an event and return it."""

        def seen() -> str | None:
            if self.events(name):
                return None
            over = self.popen.poll() is not None and not self._thread.is_alive()
            assert not over or self.events(name), f"ended without {name}: {self.said}"
            return f"{self.said}"

        wait_until(name, seen, limit_s=LIMIT_S, poll_s=0.01)
        return self.events(name)[0]

    def end(self) -> None:
        """Kill it where it still runs."""
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait(LIMIT_S)
        self._thread.join(LIMIT_S)


def lives(pid: int) -> str | None:
    """Return what is wrong while a process lives that should be gone."""
    alive = psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return f"process {pid} lives" if alive else None
