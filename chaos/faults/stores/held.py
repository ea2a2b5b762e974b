"""Closes the connections that a fault holds: only the process that holds them can, and with it they are gone.

So a step names that process. For any other process it is done once that one has
ended, and cannot be done before.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

from chaos.undo import Step
from harness.identity import ProcessId


class Closable(Protocol):
    """Connections that can be closed."""

    def close(self) -> None:
        """Close them all; harmless when they are."""


# What this process holds, by the names in the steps.
_held: dict[str, Closable] = {}


def hold(name: str, slots: Closable) -> None:
    """Have the step of that name close these, also those that are taken later."""
    _held[name] = slots


def close_step(name: str) -> Step:
    """Return what closes the connections that this process holds by that name, which no other fault may have."""
    return Step("connections.close", {"held": name, **ProcessId.own().args()})


class CloseConnections:
    """`connections.close`: `held` by that name by the process that `ProcessId.args` describes."""

    def carry_out(self, args: Mapping[str, object]) -> None:
        """Close what this process holds; harmless when it holds nothing by that name."""
        if _holder(args) == os.getpid() and (slots := _held.get(str(args["held"]))) is not None:
            slots.close()
            del _held[str(args["held"])]

    def remaining(self, args: Mapping[str, object]) -> str | None:
        """Return None once they are closed, or their process has ended."""
        holder = _holder(args)
        if holder is None or (holder == os.getpid() and str(args["held"]) not in _held):
            return None
        return f"process {holder} holds its connections {args['held']}: they go when it closes them, or ends"


def _holder(args: Mapping[str, object]) -> int | None:
    process = ProcessId.read(args).find()
    return process.pid if process else None
