"""Real places whose packets can be met: a hop's wire on the loopback, and a network namespace with a Redis in it."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaos.canary.canary import Canary
from chaos.faults.packets import nftables as firewall
from chaos.faults.packets.namespaces import find_command
from chaos.observed import State
from chaos.targets import Wire
from harness.identity import ProcessId
from harness.wait import wait_until
from infra.local.redis_server import find_redis
from infra.ports import free_ports
from infra.processes import Program, end, minimal_environment, start

RUN = "test-run"
LIMIT_S = 10.0
# Nobody's: set apart for benchmarks of networks. A namespace and its other end need four addresses.
_BLOCKS = itertools.count((os.getpid() * 8) % (1 << 14))


@dataclass(frozen=True)
class Place:
    """A Redis in a network namespace of its own, and a canary that asks it from outside."""

    namespace: ProcessId
    port: int
    canary: Canary


def wire(port: int, *, limit_s: float = 0.4) -> Wire:
    """Return the wire of a Redis behind a port of the loopback; its canary gives up soon."""
    return Wire(port, RUN, Canary("127.0.0.1", port, "redis", limit_s))


def skip_without_firewall() -> None:
    if reason := firewall.unavailable(None):
        pytest.skip(reason)


@contextlib.contextmanager
def place_of_its_own(folder: Path) -> Iterator[Place]:
    """Start a Redis in a new network namespace, joined to ours by a link."""
    skip_without_firewall()
    if find_command("ip") is None:
        pytest.skip("no ip command (Debian's package: iproute2)")
    block = next(_BLOCKS)
    ours, theirs = (f"198.18.{block // 64 % 256}.{block % 64 * 4 + end}" for end in (1, 2))
    name = f"hwt{os.getpid() % 100000}x{block % 1000}"
    (port,) = free_ports(1)
    options = ["--port", str(port), "--bind", "*", "--protected-mode", "no", "--save", "", "--dir", str(folder)]
    command = ("unshare", "--net", str(find_redis().program), *options)
    child = start(Program(f"redis-{name}", command, folder, minimal_environment()), folder)
    try:
        pid = child.mark.process.pid
        wait_until(
            "a namespace of its own", lambda: None if _entered(pid) else child.trouble() or "not", limit_s=LIMIT_S
        )
        _ip("link", "add", "name", name, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        _ip("address", "add", f"{ours}/30", "dev", name)
        _ip("link", "set", name, "up")
        inside = ["nsenter", f"--net=/proc/{pid}/ns/net", "ip"]
        subprocess.run([*inside, "address", "add", f"{theirs}/30", "dev", "eth0"], check=True)
        for device in ("lo", "eth0"):
            subprocess.run([*inside, "link", "set", device, "up"], check=True)
        canary = Canary(theirs, port, "redis", 0.4)
        wait_until(
            "its Redis", lambda: None if canary.observe().state is State.ANSWERED else "no answer", limit_s=LIMIT_S
        )
        yield Place(child.mark.process, port, canary)
    finally:
        # With the last process in it, the namespace ends, and the link with it.
        end([child.living])
        child.popen.wait(LIMIT_S)


def _entered(pid: int) -> bool:
    return Path(f"/proc/{pid}/ns/net").stat().st_ino != Path("/proc/self/ns/net").stat().st_ino


def _ip(*arguments: str) -> None:
    subprocess.run([find_command("ip") or "ip", *arguments], check=True)
