"""What the services' tests start: programs that can be stopped, paused and started again at the same address."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from harness.probes.health import http_health
from harness.root import ROOT
from harness.wait import wait_until
from infra import processes
from infra.ports import free_ports

INFRA = ROOT / "infra"
LIMIT_S = 15.0


@dataclass
class Program:
    """A child process that can be stopped and started again at the same address."""

    command: list[str]
    check: Callable[[], str | None]
    log: Path
    stop_signal: int = signal.SIGTERM
    user: str | None = None
    cwd: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.launch()
        wait_until(self.command[0], self._seen, limit_s=LIMIT_S)

    def launch(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, user=self.user, cwd=self.cwd, env=self.environment
            )

    def _seen(self) -> str | None:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail(f"{self.command[0]} ended early: {self.log.read_text()[-2000:]}")
        return self.check()

    def stop(self) -> None:
        if self.process is not None:
            # A paused process would never see the signal.
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)


@dataclass
class Service(Program):
    """api or auth, with a client that pools nothing between tests."""

    url: str = ""

    def client(self, **options: object) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=LIMIT_S, trust_env=False, **options)  # type: ignore[arg-type] # passed through

    def metric(self, name: str) -> float:
        """Return the one sample of that name, labels and all, as `/metrics` writes it."""
        text = httpx.get(f"{self.url}/metrics", trust_env=False).text
        values = [line.rpartition(" ")[2] for line in text.splitlines() if line.rpartition(" ")[0] == name]
        assert len(values) == 1, f"{name}: {values}"
        return float(values[0])

    def at_once(self, paths: Sequence[str], **headers: str) -> list[httpx.Response]:
        """GET all paths side by side, each on a connection of its own, and return their replies in order."""

        def get(path: str) -> httpx.Response:
            with self.client() as client:
                return client.get(path, headers=headers)

        with ThreadPoolExecutor(len(paths)) as threads:
            return list(threads.map(get, paths))


MakeApi = Callable[..., Service]


def adopt(made: processes.Program, check: Callable[[], str | None], logs: Path) -> Program:
    """Return a server that infra knows how to start, as one that a test can stop and start."""
    return Program(
        list(made.command),
        check,
        logs / f"{made.service}.log",
        stop_signal=signal.Signals[made.stop],
        user=made.user,
        cwd=made.folder,
        environment=dict(made.environment),
    )


def service(name: str, scratch: Path, **environment: str) -> Service:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    return Service(
        [sys.executable, "-m", f"services.{name}"],
        check=lambda: http_health(f"{url}/health"),
        log=scratch / f"{name}-{port}.log",
        cwd=INFRA,
        environment=processes.minimal_environment(HW_PORT=str(port), **environment),
        url=url,
    )
