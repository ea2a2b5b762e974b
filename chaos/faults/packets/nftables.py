"""Drops packets with nftables: a table of our own for each fault, made and deleted as one transaction each.

No table but ours is touched, and what a table drops is matched by the port of
one hop's proxy: on our own loopback, or on the links of its container's
namespace. The counters of its rules are the evidence that packets were dropped.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaos.direction import Stream
from chaos.faults.packets.namespaces import find_command, namespace_from, run_in
from chaos.undo import Step
from harness.errors import ChaosError, InjectionFailed, Refused
from harness.identity import ProcessId

FAMILY = "inet"
PREFIX = "heavyweather_"
# What a fraction of all packets is counted in: the kernel draws a whole number below this for each.
SHARES = 10_000
# Before all other filters: what they would do with a packet does not matter here.
_PRIORITY = -10
_SLUG_LENGTH = 40
# The kernel keeps 128 bytes of a comment.
_RUN_LENGTH = 100

# New connections alone: the first packet of each.
SYN = "tcp flags & (syn | ack) == syn"


@dataclass(frozen=True, slots=True)
class Drop:
    """One rule: drops what goes `upstream`, to a proxy's port, or `downstream` from it, if `condition` holds."""

    stream: Stream
    condition: str = ""


def share(fraction: float) -> str:
    """Return the condition that holds for a random `fraction` of all packets, in steps of one in ten thousand."""
    return f"numgen random mod {SHARES} < {round(fraction * SHARES)}"


def table_name(run: str, fault: str) -> str:
    """Return what the table of a run's fault is called: legible, of bounded length, and of no other fault."""
    legible = re.sub(r"[^a-z0-9]+", "_", fault.lower())[:_SLUG_LENGTH].strip("_") or "fault"
    digest = hashlib.sha256(json.dumps([run, fault]).encode()).hexdigest()
    return f"{PREFIX}{legible}_{digest[:12]}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table by its name, in a namespace or in our own; it may exist or not."""

    name: str
    namespace: ProcessId | None = None

    def create(self, run: str, port: int, drops: Sequence[Drop]) -> None:
        """Make it, in one transaction. Raises InjectionFailed, also when it exists."""
        self._inject([f"create table {FAMILY} {self.name}", *self._contents(run, port, drops)])

    def replace(self, run: str, port: int, drops: Sequence[Drop]) -> None:
        """Replace its rules in one transaction; its counters restart at 0. Raises InjectionFailed."""
        again = [f"delete table {FAMILY} {self.name}", f"create table {FAMILY} {self.name}"]
        self._inject([*again, *self._contents(run, port, drops)])

    def delete(self) -> None:
        """Delete it; harmless when it, or its namespace, is not there. Raises ChaosError."""
        # Added first, which is nothing where it exists, so that a table that is not there is no error.
        _ = _nft(self.namespace, [f"add table {FAMILY} {self.name}", f"delete table {FAMILY} {self.name}"])

    def exists(self) -> bool:
        """Whether it is there. Raises ChaosError."""
        return self.name in _tables(self.namespace)

    def dropped(self) -> int | None:
        """Return how many packets its rules have dropped, or None when it is not there. Raises ChaosError."""
        listed = _listed(self.namespace, "table", FAMILY, self.name) if self.exists() else None
        return None if listed is None else sum(_counted(rule) for rule in _of_kind(listed, "rule"))

    def step(self) -> Step:
        """Return what deletes it."""
        args: dict[str, object] = {"family": FAMILY, "table": self.name}
        return Step("nft.delete", {**args, **(self.namespace.args() if self.namespace else {})})

    def _inject(self, commands: Sequence[str]) -> None:
        try:
            done = _nft(self.namespace, commands)
        except ChaosError as error:
            raise InjectionFailed(f"table {self.name} not made: {error}") from error
        if not done:
            raise InjectionFailed(f"table {self.name} not made: the container of its namespace is gone")

    def _contents(self, run: str, port: int, drops: Sequence[Drop]) -> list[str]:
        chains = dict.fromkeys(map(self._chain, drops))
        made = [
            f"add chain {FAMILY} {self.name} {hook} {{ type filter hook {hook} priority {_PRIORITY}; policy accept; }}"
            for hook in chains
        ]
        comment = f'comment "run={re.sub(r"[^A-Za-z0-9_.:-]", "_", run)[:_RUN_LENGTH]}"'
        return made + [
            f"add rule {FAMILY} {self.name} {self._chain(drop)} {self._match(drop, port)} counter drop {comment}"
            for drop in drops
        ]

    def _chain(self, drop: Drop) -> str:
        # On the loopback both directions come in where they go out: what has left its sender is dropped before it
        # arrives. A namespace sees the arrival of the one direction only, and of the other the departure.
        return "output" if self.namespace and drop.stream == "downstream" else "input"

    def _match(self, drop: Drop, port: int) -> str:
        end, address = ("dport", "daddr") if drop.stream == "upstream" else ("sport", "saddr")
        place = "" if self.namespace else f'iifname "lo" ip {address} 127.0.0.1 '
        return f"{place}tcp {end} {port} {drop.condition}".rstrip()


@functools.cache
def unavailable(namespace: ProcessId | None) -> str | None:
    """Return None where packets can be dropped, otherwise why not; found out by doing all of it, to no packet."""
    if sys.platform != "linux":
        return "packets are dropped with nftables, which only Linux has"
    if find_command("nft") is None:
        return "packets are dropped with nftables, whose nft command is not here (Debian's package: nftables)"
    if namespace and find_command("nsenter") is None:
        return "a container's namespace is entered with nsenter, which is not here (Debian's package: util-linux)"
    trial = Table(table_name("", "trial"), namespace)
    # An unused port, and deleted by the very transaction that makes it: nothing can be left behind.
    drops = [Drop("upstream", SYN), Drop("downstream", share(0.5))]
    commands = [f"add table {FAMILY} {trial.name}", *trial._contents("", 0, drops)]  # noqa: SLF001 - the module's own
    try:
        done = _nft(namespace, [*commands, f"delete table {FAMILY} {trial.name}"])
    except ChaosError as error:
        return f"packets are dropped with nftables, which is not permitted or not whole here: {error}"
    return None if done else "the container's namespace is gone"


def residue() -> list[str]:
    """Return the tables of ours on this machine, each with the run that made it; none where nft cannot list them.

    Those in containers end with them and are not looked for.
    """
    if unavailable(None):
        return []
    return [f"nftables table {FAMILY} {name} ({_maker(name)})" for name in sorted(_tables(None))]


def _maker(name: str) -> str:
    rules = _of_kind(_listed(None, "table", FAMILY, name) or [], "rule")
    return next((str(rule["comment"]).replace("=", " ", 1) for rule in rules if "comment" in rule), "no run is named")


def _tables(namespace: ProcessId | None) -> set[str]:
    """Return the names of our tables in a namespace; none when that is gone."""
    found = _of_kind(_listed(namespace, "tables") or [], "table")
    return {str(t["name"]) for t in found if t["family"] == FAMILY and str(t["name"]).startswith(PREFIX)}


def _listed(namespace: ProcessId | None, *what: str) -> list[Mapping[str, Any]] | None:
    done = run_in(namespace, ["nft", "-j", "list", *what])
    if done is None:
        return None
    try:
        if done.returncode == 0:
            listed: list[Mapping[str, Any]] = json.loads(done.stdout)["nftables"]
            return listed
    except (ValueError, KeyError) as error:
        raise ChaosError(f"nft list {' '.join(what)} answered what no nft would: {done.stdout[:200]!r}") from error
    raise ChaosError(f"nft list {' '.join(what)}: {_said(done.stderr)}")


def _of_kind(listed: Sequence[Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    return [entry[kind] for entry in listed if kind in entry]


def _counted(rule: Mapping[str, Any]) -> int:
    return sum(int(part["counter"]["packets"]) for part in rule["expr"] if "counter" in part)


def _nft(namespace: ProcessId | None, commands: Sequence[str]) -> bool:
    """Carry out commands as one transaction; False when the namespace is gone. Raises ChaosError."""
    done = run_in(namespace, ["nft", "-f", "-"], text="\n".join(commands) + "\n")
    if done is not None and done.returncode:
        raise ChaosError(f"nft: {_said(done.stderr)}")
    return done is not None


def _said(complaint: str) -> str:
    """Return the first line of what a command complained of."""
    return next((line.strip() for line in complaint.splitlines() if line.strip()), "failed without a word")


class DeleteTable:
    """`nft.delete`: `family`, `table`, and `ProcessId.args` of a process in a container's namespace."""

    def carry_out(self, args: Mapping[str, object]) -> None:
        """Delete the table. Raises ChaosError."""
        _table(args).delete()

    def remaining(self, args: Mapping[str, object]) -> str | None:
        """Return what is wrong while the table is still there. Raises ChaosError."""
        return f"table {args['table']} is still there" if _table(args).exists() else None


def _table(args: Mapping[str, object]) -> Table:
    name = str(args["table"])
    if args["family"] != FAMILY or not name.startswith(PREFIX):
        raise Refused(f"{args['family']} {name} is no table of ours")
    return Table(name, namespace_from(args))
