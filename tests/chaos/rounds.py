"""A fault's whole round as the conductor plays it: looked at before, injected, proved, undone by the ledger's data."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from chaos.faults.fault import Aimed, Fault
from chaos.healing.actions import ACTIONS
from chaos.observed import Observed
from chaos.targets import Targets
from chaos.undo import Step, undo

LIMIT_S = 5.0


@contextlib.contextmanager
def injected(fault: Fault, targets: Targets) -> Iterator[tuple[Aimed, Observed]]:
    """Break while inside; yields the fault on its target and what was seen before, once its effect has been seen."""
    aimed = fault.aim(targets, f"1-{fault.kind}")
    before = aimed.observe()
    steps = as_from_the_ledger(aimed.undo())
    # Harmless when there is nothing to undo.
    undo(steps, ACTIONS)
    try:
        aimed.inject()
        until(lambda: aimed.missing(before, aimed.observe()))
        yield aimed, before
    finally:
        undo(steps, ACTIONS)
    until(lambda: aimed.remaining(before, aimed.observe()))
    undo(steps, ACTIONS)


def as_from_the_ledger(steps: Sequence[Step]) -> list[Step]:
    """Return steps as they come back from the disk."""
    return [Step(step.action, json.loads(json.dumps(dict(step.args)))) for step in steps]


def until(check: Callable[[], str | None]) -> None:
    """Check until there is no error, as long as the conductor would."""
    ends_s = time.monotonic() + LIMIT_S
    while error := check():
        assert time.monotonic() < ends_s, error
        threading.Event().wait(0.02)
