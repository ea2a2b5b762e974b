"""Which process laid a claim, and whether it is gone: by its id, its birth and the machine it runs on.

Only on its own machine can a process be asked for. Of one elsewhere nothing
but the lease tells, which it would have renewed.
"""

from __future__ import annotations

import socket
import uuid
from pathlib import Path

from chaos.guards.claim import Claim
from harness.identity import ProcessId


def own_runner() -> str:
    """Return this process as "PROCESS@MACHINE", PROCESS as `ProcessId` writes itself."""
    return f"{ProcessId.own()}@{machine()}"


def is_own(claim: Claim) -> bool:
    """Return whether this process laid a claim."""
    process = _here(claim.runner)
    return process is not None and process.is_same(ProcessId.own())


def machine() -> str:
    """Return a name of the set of processes that can be seen from here: by name alone two machines may be one.

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
    """Return whether a claim has no owner: its process is known to be gone, or its lease has run out."""
    process = _here(claim.runner)
    if process is None:
        return claim.left_s <= 0
    return not process.lives


def describe(claim: Claim) -> str:
    """Return a claim in words."""
    process = _here(claim.runner)
    if process is not None:
        return f"run {claim.run_id}, process {process.pid} on this machine, which is alive"
    where = claim.runner.split("@", 2)[-1].partition("/")[0]
    return f"run {claim.run_id} on {where or 'an unknown machine'}, for {claim.left_s:.0f} s unless it is renewed"


def _here(runner: str) -> ProcessId | None:
    """Return the process if it is of this machine."""
    process, _, where = runner.rpartition("@")
    try:
        return ProcessId.parse(process) if where == machine() else None
    except ValueError:
        return None
