"""Which lines of a service hold its memory: two snapshots that it takes on request, and what grew between them.

A service that traces its allocations answers `GET /debug/allocations` with
`{"tracing": true, "total_bytes": N, "sites": [{"where": "FILE:LINE", "bytes": N,
"count": N}, ...]}`. Many cannot, so a refusal is an answer with a reason and no error.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.probes.http_get import get
from harness.probes.reading import Unreadable, reason

PATH = "/debug/allocations"
# A snapshot stops the service's interpreter for as long as it takes.
LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Site:
    """What one line holds: bytes, in so many blocks."""

    bytes_held: int
    blocks: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a service's memory was allocated; `refused` says why there is nothing, and is empty where there is."""

    total_bytes: int = 0
    sites: Mapping[str, Site] = field(default_factory=dict)
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Grower:
    """A line that holds more than it did: by how much, in how many blocks more, and how much in all."""

    where: str
    grown_bytes: int
    grown_blocks: int
    held_bytes: int


def take_snapshot(url: str, *, limit_s: float = LIMIT_S) -> Snapshot:
    """Ask the service at base URL `url` for a snapshot; whatever keeps it from answering is in `refused`."""

    async def ask() -> bytes:
        async with asyncio.timeout(limit_s):
            return await get(url.rstrip("/") + PATH)

    try:
        return parse_snapshot(asyncio.run(ask()))
    except TimeoutError:
        return Snapshot(refused=f"no answer within {limit_s:g} s")
    except Exception as error:  # noqa: BLE001 - for want of a snapshot no run fails
        return Snapshot(refused=reason(error))


def parse_snapshot(body: bytes) -> Snapshot:
    """Return the snapshot that a reply's body is. Raises Unreadable."""
    try:
        document = json.loads(body)
        if document["tracing"] is not True:
            return Snapshot(refused="the service does not trace its allocations")
        sites = {str(site["where"]): Site(_whole(site["bytes"]), _whole(site["count"])) for site in document["sites"]}
        return Snapshot(_whole(document["total_bytes"]), sites)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable("no snapshot of allocations") from error


def grown(before: Snapshot, after: Snapshot, most: int = 10) -> tuple[Grower, ...]:
    """Return the lines that grew from one snapshot to the other, the one that grew most first.

    Empty where either was refused: against nothing every line would seem to have grown.
    """
    if before.refused or after.refused:
        return ()
    nothing = Site(0, 0)
    growers = []
    for where, now in after.sites.items():
        then = before.sites.get(where, nothing)
        if now.bytes_held > then.bytes_held:
            more = now.bytes_held - then.bytes_held
            growers.append(Grower(where, more, now.blocks - then.blocks, now.bytes_held))
    return tuple(sorted(growers, key=lambda grower: (-grower.grown_bytes, grower.where))[:most])


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(value)
    return value
