"""Mangles packets with the kernel's netem, between one hop and its callers alone.

On every link of a container's namespace stands a queueing discipline of our
own that lets everything through but what comes from one port; that goes through
netem. Netem acts on what leaves, so it is the way back from the proxy that
is mangled. A device that everything on the machine shares gets none: the
hops of local processes would need the loopback's.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.faults.packets.namespaces import find_command, namespace_from, run_in
from chaos.undo import Step
from harness.errors import ChaosError, InjectionFailed, Refused
from harness.identity import ProcessId

# In hexadecimal, "HW" and the next: handles that mark ours.
ROOT, LEAF = "4857:", "4858:"
# What passes through the class is not to be shaped: no link is as fast.
_UNSHAPED = "htb rate 100gbit quantum 60000"
SHARED = "tc's netem works on a whole device, and local hops share the loopback with everything else on this machine"


@dataclass(frozen=True, slots=True)
class Mangling:
    """Our queueing disciplines in a container's namespace; they may be there or not."""

    namespace: ProcessId

    def create(self, port: int, leaf: Sequence[str]) -> None:
        """Send what comes from a port through `leaf`, such as ("netem", "corrupt", "1%").

        Raises InjectionFailed, also when a device has another discipline already: that is never replaced.
        """
        match = f"match ip protocol 6 0xff match ip sport {port} 0xffff"
        for device in self._devices():
            line = [
                f"qdisc add dev {device} root handle {ROOT} htb",
                f"class add dev {device} parent {ROOT} classid {ROOT}1 {_UNSHAPED}",
                f"qdisc add dev {device} parent {ROOT}1 handle {LEAF} {' '.join(leaf)}",
                f"filter add dev {device} parent {ROOT} protocol ip prio 1 u32 {match} flowid {ROOT}1",
            ]
            try:
                done = run_in(self.namespace, ["tc", "-batch", "-"], text="\n".join(line) + "\n")
            except ChaosError as error:
                raise InjectionFailed(f"{' '.join(leaf)} not set: {error}") from error
            if done is None or done.returncode:
                raise InjectionFailed(f"{' '.join(leaf)} not set: {_complaint(done)}")
        if self.passed() is None:
            raise InjectionFailed(f"{' '.join(leaf)} was set and is not there")

    def delete(self) -> None:
        """Remove ours from every device; harmless when there is none, or no namespace. Raises ChaosError."""
        for device in {each["dev"] for each in self._ours() if each["handle"] == ROOT}:
            done = run_in(self.namespace, ["tc", "qdisc", "del", "dev", device, "root", "handle", ROOT])
            if done is not None and done.returncode:
                raise ChaosError(f"the discipline of {device} not deleted: {_complaint(done)}")

    def exists(self) -> bool:
        """Whether any of it is there. Raises ChaosError."""
        return bool(self._ours())

    def passed(self) -> int | None:
        """Return how many packets went through the leaves, or None when there is none. Raises ChaosError."""
        leaves = [each for each in self._ours() if each["handle"] == LEAF]
        return sum(int(leaf["packets"]) for leaf in leaves) if leaves else None

    def step(self) -> Step:
        """Return what deletes it."""
        return Step("qdisc.delete", self.namespace.args())

    def _ours(self) -> list[Mapping[str, Any]]:
        done = run_in(self.namespace, ["tc", "-s", "-j", "qdisc", "show"])
        if done is None:
            return []
        try:
            if done.returncode == 0:
                return [each for each in json.loads(done.stdout or "[]") if each.get("handle") in {ROOT, LEAF}]
        except ValueError as error:
            raise ChaosError(f"tc qdisc show answered what no tc would: {done.stdout[:200]!r}") from error
        raise ChaosError(f"tc qdisc show: {_complaint(done)}")

    def _devices(self) -> list[str]:
        """Return the devices of the namespace but its loopback."""
        try:
            lines = Path(f"/proc/{self.namespace.pid}/net/dev").read_text(encoding="utf-8").splitlines()[2:]
        except OSError as error:
            raise InjectionFailed(f"the devices of the container cannot be listed: {error}") from error
        return [name for line in lines if (name := line.partition(":")[0].strip()) != "lo"]


@functools.cache
def unavailable() -> str | None:
    """Return None where the kernel has netem, otherwise why it cannot be used: tried in a namespace of our own."""
    if sys.platform != "linux":
        return "packets are mangled with tc's netem, which only Linux has"
    for command, package in (("tc", "iproute2"), ("nsenter", "util-linux"), ("unshare", "util-linux")):
        if find_command(command) is None:
            return f"packets are mangled with tc's netem, and {command} is not here (Debian's package: {package})"
    trial = ["unshare", "--net", find_command("tc") or "tc"]
    try:
        done = run_in(None, [*trial, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1"])
    except ChaosError as error:
        return f"packets are mangled with tc's netem, which could not be tried: {error}"
    return None if done and done.returncode == 0 else f"the kernel here lets us have no netem: {_complaint(done)}"


def _complaint(done: Any) -> str:
    """Return the first line of what a command complained of."""
    if done is None:
        return "the container's namespace is gone"
    return next((line.strip() for line in done.stderr.splitlines() if line.strip()), "failed without a word")


class DeleteQdisc:
    """`qdisc.delete`: `ProcessId.args` of a process in a container's namespace."""

    def carry_out(self, args: Mapping[str, object]) -> None:
        """Remove them. Raises ChaosError."""
        _mangling(args).delete()

    def remaining(self, args: Mapping[str, object]) -> str | None:
        """Return what is wrong while any is still there. Raises ChaosError."""
        return "a queueing discipline of ours is still there" if _mangling(args).exists() else None


def _mangling(args: Mapping[str, object]) -> Mangling:
    namespace = namespace_from(args)
    if namespace is None:
        raise Refused("qdisc.delete names no namespace, and our own devices carry nothing of ours")
    return Mangling(namespace)
