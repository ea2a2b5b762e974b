"""What every contestant is asked to do, and how it is asked: one command line and one document for all.

Imports nothing but the standard library, so that no contestant pays for
another's packages.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

# About sixty bytes on the wire, posted as JSON by each contestant in its own usual way.
DOCUMENT = {"jsonrpc": "2.0", "method": "eth_blockNumber", "id": 1}


@dataclass(frozen=True, slots=True)
class Task:
    """Post DOCUMENT to `url`, `rate_per_s` times a second for `for_s` seconds, over at most `connections` at once.

    With an infinite rate each connection is to be used again as soon as its reply is there.
    """

    url: str
    rate_per_s: float
    for_s: float
    connections: int

    @property
    def flat_out(self) -> bool:
        """Whether the rate is infinite."""
        return math.isinf(self.rate_per_s)

    @property
    def requests(self) -> int | None:
        """How many requests this comes to; None where the machine decides."""
        return None if self.flat_out else round(self.rate_per_s * self.for_s)


def read_task(arguments: Sequence[str] | None = None) -> Task:
    """Return the task that the command line gives."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--rate-per-s", type=float, required=True, help="inf: as fast as the connections allow")
    parser.add_argument("--for-s", type=float, required=True)
    parser.add_argument("--connections", type=int, required=True)
    return Task(**vars(parser.parse_args(arguments)))


def contestant_command(name: str, task: Task) -> list[str]:
    """Return the command that has a contestant do the task: a module of this package, run by this Python."""
    options = {
        "--url": task.url,
        "--rate-per-s": f"{task.rate_per_s:g}",
        "--for-s": f"{task.for_s:g}",
        "--connections": f"{task.connections}",
    }
    told = [part for option in options.items() for part in option]
    return [sys.executable, "-m", f"benchmarks.contestants.{name}", *told]
