"""Which process laid a claim, and whether it is gone: told by its id, its birth and the machine it runs on.

Only on its own machine can a process be asked for. Of one elsewhere nothing
but the lease tells, which it would have renewed.
"""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

import psutil

from chaos.guards.claim import Claim
from harness.identity import find_process


def own_runner() -> str:
    """Return this process as "PID@CREATED@MACHINE", CREATED in seconds since the Unix epoch."""
    return f"{os.getpid()}@{psutil.Process().create_time():.2f}@{machine()}"


def machine() -> str:
    """Return what tells the set of processes that can be seen from here: by name alone two machines may be one.

    After a reboot it is another: its processes are gone, and what they left behind runs out with their leases.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # Containers share the kernel, each with process ids of its own.
        beginnings = f"{boot[:8]}-{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        beginnings = f"{uuid.getnode():x}"
    return f"{socket.gethostname()}/{beginnings}"


def is_gone(claim: Claim) -> bool:
    """Return whether nobody is left who needs a claim: its process is known to be gone, or its lease has run out."""
    process = _here(claim.runner)
    if process is None:
        return claim.left_s <= 0
    return find_process(*process) is None


def told(claim: Claim) -> str:
    """Return a claim in words."""
    process = _here(claim.runner)
    if process is not None:
        return f"run {claim.run_id}, process {process[0]} on this machine, which is alive"
    where = claim.runner.split("@", 2)[-1].partition("/")[0]
    return f"run {claim.run_id} on {where or 'an unknown machine'}, for {claim.left_s:.0f} s unless it is renewed"


def _here(runner: str) -> tuple[int, float] | None:
    """Return the id and the birth of a process of this machine."""
    pid, _, rest = runner.partition("@")
    created, _, where = rest.partition("@")
    try:
        return (int(pid), float(created)) if where == machine() else None
    except ValueError:
        return None
