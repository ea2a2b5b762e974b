"""A `[load]` table, of a target file or a profile: what it gives takes the place of a load's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from harness.load.bounds import ArrivalRate, Crowd, Deadline, Interval
from harness.load.engine.users import Users
from harness.load.operations.declared import DeclaredOperations
from harness.load.schedule.cancels import Cancels
from harness.load.schedule.mix import MixTable
from harness.load.settings import LoadSettings
from harness.load.websocket.sockets import Sockets
from harness.tables import Listed, PositiveFraction, Table, rule

# What takes the place of a load's own as it is.
_SAME = ("rate_per_s", "mix", "deadline_s", "deadlines_s", "in_flight_max", "logins", "sockets")


def _module(value: str) -> str:
    if not value.endswith(".py"):
        raise rule("must be the name of a Python file beside this file")
    return value


def _span(ends_s: tuple[float, ...]) -> tuple[float, ...]:
    if len(ends_s) != 2 or ends_s[1] < ends_s[0]:
        raise rule('must be two times after the send, in order, such as ["0 s", "300 ms"]')
    return ends_s


class CancelTable(Table):
    """Calls of arrivals and users that are given up in flight."""

    fraction: PositiveFraction
    """Of all calls."""
    after_s: Annotated[Listed[Interval], AfterValidator(_span)]
    """From when to when after the send, such as `["0 s", "300 ms"]`."""


class UsersTable(Table):
    """Virtual users beside the arrivals (closed model)."""

    count: Crowd
    """Number of users."""
    mix: MixTable | None = None
    """Operation = weight; otherwise the load's own."""
    think_s: Interval = 1.0
    """Mean of the exponential time before each request."""
    over_s: Interval = 0.0
    """Time from the first user's start to the last's; 0: all at once."""
    first: Listed[str] = ()
    """Operations that each user does once, before any other."""


class LoadTable(Table):
    """Load: requests per second, of which operations, by whom. What is not given stays the scenario's own."""

    rate_per_s: ArrivalRate | None = None
    """Requests that come due per second (open model)."""
    mix: MixTable | None = None
    """Operation = weight."""
    arrivals: Literal["constant", "poisson"] | None = None
    """Whether requests come due evenly or at random."""
    connections: Literal["keep_alive", "fresh"] | None = None
    """Whether connections are kept, or each request opens its own."""
    deadline_s: Deadline | None = None
    """Time from the send after which a call counts as timed out."""
    deadlines_s: Mapping[str, Deadline] | None = None
    """Operation = deadline, for those with another one."""
    cancel: CancelTable | None = None
    """Calls that are given up in flight."""
    in_flight_max: Crowd | None = None
    """Requests that wait for a reply at once; more are dropped. Otherwise twice what comes due within a deadline."""
    logins: Crowd | None = None
    """Users logged in at auth before the load; arrivals use their tokens in turn."""
    module: Annotated[str, AfterValidator(_module)] | None = None
    """Python file beside this one that registers operations."""
    users: UsersTable | None = None
    """Virtual users beside the arrivals (closed model)."""
    sockets: Sockets | None = None
    """WebSocket users on the reference's `/ws` protocol."""

    def changes(self, before: LoadSettings, source: str) -> dict[str, Any]:
        """Return the fields of a load that this table changes; `source` is the file beside which the module is."""
        changed = {key: getattr(self, key) for key in _SAME if getattr(self, key) is not None}
        if self.arrivals:
            changed["poisson"] = self.arrivals == "poisson"
        if self.connections:
            changed["fresh"] = self.connections == "fresh"
        if self.cancel:
            changed["cancels"] = Cancels(self.cancel.fraction, *self.cancel.after_s)
        if self.module:
            changed["module"] = str(Path(source).parent / self.module)
        if users := self.users:
            mix = users.mix or self.mix or before.mix
            changed["users"] = Users(users.count, mix, users.think_s, users.over_s, users.first)
        return changed


def override(settings: LoadSettings, source: str, load: LoadTable, operations: DeclaredOperations) -> LoadSettings:
    """Return the settings with a file's tables applied; `source` names the file in errors.

    Raises an ExceptionGroup of an InputError for each rule that the load as a whole breaks.
    """
    declared = {**settings.declared, **operations}
    changed = dataclasses.replace(settings, declared=declared, **load.changes(settings, source))
    if errors := changed.check(source):
        raise ExceptionGroup(f"{source}: [load] and [operations] break {len(errors)} rule(s)", errors)
    return changed
