"""What a load is like, on any target: how often, of what, by whom, and within which limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import InputError
from harness.load.call import DEADLINE_S
from harness.load.clients.clients import API
from harness.load.engine.users import Users
from harness.load.operations.declared import HttpOperation
from harness.load.operations.reference import operations as reference
from harness.load.operations.registry import OPERATIONS_MAX, Registered, load_module
from harness.load.schedule.cancels import Cancels
from harness.load.schedule.mix import Mix
from harness.load.websocket.sockets import OPENING, Sockets
from harness.shown import ABSENT, show_key

# Names of series and labels that are sums of others.
TAKEN = ("all", "other", "ws_...")


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """A load in numbers.

    `rate_per_s` is the open-model arrival rate of the whole `mix`, with `poisson`
    the mean of a random one. A call that has not ended `deadline_s` after it was
    sent counts as timed out, or `deadlines_s` for the operations named there.
    `in_flight_max` is how many may wait at once (None: as many as a system that
    answers nothing would take, twice). `fresh` gives each request a connection of
    its own. `cancels` are calls of arrivals and users that are given up in flight.
    `logins` users are logged in before the load begins. `users` and `sockets` run
    beside the arrivals. `declared` are operations of the target file, `module` is
    the Python file with the rest.
    """

    rate_per_s: float
    mix: Mix
    deadline_s: float = DEADLINE_S
    deadlines_s: Mapping[str, float] = field(default_factory=dict)
    poisson: bool = False
    in_flight_max: int | None = None
    fresh: bool = False
    cancels: Cancels | None = None
    logins: int = 1
    users: Users | None = None
    sockets: Sockets | None = None
    declared: Mapping[str, HttpOperation] = field(default_factory=dict)
    module: str = ""

    @property
    def slots(self) -> int:
        """How many calls may wait for their replies at once."""
        if self.in_flight_max is not None:
            return self.in_flight_max
        waiting = self.rate_per_s * max(self.deadline_s, *self.deadlines_s.values(), 0.0)
        users = self.users.count if self.users else 0
        return max(16, int(2 * waiting)) + users

    @property
    def deadline_s_max(self) -> float:
        """The longest that any call may take, in seconds."""
        return max(self.deadline_s, *self.deadlines_s.values(), 0.0)

    def used(self) -> frozenset[str]:
        """Return the names of the operations that this load will do."""
        mixes = [self.mix.weights, *([self.users.mix.weights] if self.users else [])]
        drawn = {name for weights in mixes for name, weight in weights.items() if weight}
        return frozenset(drawn.union(self.users.first if self.users else ()))

    def tested(self) -> frozenset[str]:
        """Return the names under which each thing that this load does must have succeeded once, to have been tested."""
        return self.used().union(OPENING if self.sockets else ())

    def operations(self, source: str = "target file") -> Mapping[str, Registered]:
        """Return every operation that is known, by name.

        Raises InputError, naming `source`, for a module that cannot be imported.
        """
        declared = {name: Registered(operation, frozenset({API})) for name, operation in self.declared.items()}
        own = load_module(source, Path(self.module)) if self.module else {}
        return {**reference, **own, **declared}

    def needs(self) -> frozenset[str]:
        """Return which clients those operations need."""
        known = self.operations()
        return frozenset({API} if self.sockets else ()).union(*(known[name].needs for name in self.used()))

    def check(self, source: str) -> list[InputError]:
        """Return what is wrong with these settings as a whole; `source` names in errors where they come from."""
        try:
            known = self.operations(source)
        except InputError as error:
            return [error]
        rule = f"no such operation; one of {', '.join(sorted(known))}"
        unknown = [show_key("load", "mix", name) for name in sorted(self.used() - set(known))]
        unknown += [show_key("load", "deadlines_s", name) for name in self.deadlines_s if name not in known]
        errors = [InputError(source, key, ABSENT, rule) for key in unknown]
        if self.cancels and self.cancels.least_s >= self.deadline_s_max:
            late = f"must begin before the longest deadline, {self.deadline_s_max:g} s after the send"
            errors.append(InputError(source, "load.cancel.after_s", self.cancels.least_s, late))
        own = set(self.declared) | (set(known) - set(reference))
        taken = f"must have another name: this is an operation of the reference, or one of {', '.join(TAKEN)}"
        errors += [
            InputError(source, f"operations.{name}", ABSENT, taken)
            for name in sorted(own)
            if name in reference or name in TAKEN or name.startswith("ws_")
        ]
        if len(known) > OPERATIONS_MAX:
            errors.append(InputError(source, "operations", len(known), f"must be at most {OPERATIONS_MAX}"))
        return errors
