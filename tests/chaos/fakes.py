"""Stand-ins for the conductor's surroundings: links in memory, and a strike that raises at one chosen call.

Everything the conductor calls goes through one counter, so that a test can go
through all the moments at which a run may be stopped and leave none out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from chaos.canary.canary import Canary
from chaos.healing.ledger import Ledger
from chaos.observed import Observed, State
from chaos.targets import LinkState, Toxic
from chaos.undo import Actions, Force, Step
from harness.clock import ManualClock
from harness.errors import InjectionFailed

QUICK_S = 0.001
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Inline(Executor):
    """Does at once, on the caller's own thread, what it is given."""

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        future: Future[_T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@dataclass
class Strike:
    """Counts calls, and raises `error` at those whose numbers (from 0) are in `at`."""

    at: frozenset[int] = frozenset()
    error: type[BaseException] = KeyboardInterrupt
    calls: int = 0

    def __call__(self) -> None:
        number = self.calls
        self.calls += 1
        if number in self.at:
            raise self.error(f"struck at call {number}")


@dataclass
class StruckClock(ManualClock):
    """A manual clock whose every use may be struck."""

    strike: Strike = field(default_factory=Strike)

    def __post_init__(self) -> None:
        super().__init__()

    def now_s(self) -> float:
        self.strike()
        return super().now_s()

    def sleep_s(self, duration_s: float) -> None:
        self.strike()
        super().sleep_s(duration_s)


@dataclass
class FakeLink:
    """A hop in memory that behaves as the real one, or as its flags say.

    `numb`: no fault is felt. `slow_s`: it answers that late even when whole.
    `feels_after`: so many looks pass before a fault is felt. `stuck`: undoing
    raises. `lying`: undoing is accepted and does nothing. `late`: a strike falls
    after a call's effect, not before it. `wedged`: its undoing takes force.
    """

    name: str
    address = "fake:1"
    canary = Canary("127.0.0.1", 1, "redis")
    strike: Strike = field(default_factory=Strike)
    late: bool = False
    numb: bool = False
    slow_s: float = QUICK_S
    feels_after: int = 0
    stuck: type[Exception] | None = None
    lying: bool = False
    wedged: bool = False
    enabled: bool = True
    toxics: dict[str, Toxic] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    @property
    def place(self) -> Mapping[str, object]:
        return {"api": self.address, "proxy": self.name}

    def add(self, name: str, toxic: Toxic) -> None:
        with self._called(f"add {name}"):
            if name in self.toxics:
                raise InjectionFailed(f"{self.name}: {name} exists")
            self.toxics[name] = toxic

    def update(self, name: str, toxic: Toxic) -> None:
        with self._called(f"update {name}"):
            if name not in self.toxics:
                raise InjectionFailed(f"{self.name}: {name} does not exist")
            self.toxics[name] = toxic

    def remove(self, name: str) -> None:
        with self._called(f"remove {name}"):
            self._refuse()
            if not self.lying:
                self.toxics.pop(name, None)

    def set_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - the protocol's own
        with self._called(f"enabled {enabled}"):
            if enabled:
                self._refuse()
            if not (enabled and self.lying):
                self.enabled = enabled

    def state(self) -> LinkState:
        with self._called("state"):
            toxics = {name: (t.kind, t.stream, dict(t.attributes)) for name, t in self.toxics.items()}
            return LinkState(self.enabled, toxics)

    def observe(self) -> Observed:
        with self._called("look"):
            if self.numb or (self._broken and self._not_yet_felt()):
                return Observed(State.ANSWERED, self.slow_s)
            if not self.enabled:
                return Observed(State.REFUSED, QUICK_S)
            return Observed(State.ANSWERED, self.slow_s + sum(t.attributes["latency_s"] for t in self.toxics.values()))

    def alone(self) -> FakeLink:
        """Stop striking, and return itself: whoever heals is not the one who was struck."""
        self.strike = Strike()
        return self

    @property
    def whole(self) -> bool:
        return not self._broken

    @property
    def _broken(self) -> bool:
        return bool(self.toxics) or not self.enabled

    def _not_yet_felt(self) -> bool:
        self.feels_after -= 1
        return self.feels_after >= 0

    def _refuse(self) -> None:
        if self.stuck is not None:
            raise self.stuck(f"{self.name} is stuck")

    def _called(self, what: str) -> _Call:
        self.calls.append(what)
        return _Call(self)


@dataclass
class _Call:
    """Strikes on the way in, or on the way out of a call that did its work."""

    link: FakeLink

    def __enter__(self) -> None:
        if not self.link.late:
            self.link.strike()

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self.link.late and kind is None:
            self.link.strike()


class MemoryLedger(Ledger):
    """A ledger that is struck like everything else, and written down nowhere."""

    def __init__(self, strike: Strike) -> None:
        self.path = Path("nowhere")
        self.records: list[Mapping[str, object]] = []
        self._strike = strike
        self._lock = threading.Lock()

    def _write(self, record: Mapping[str, object]) -> None:
        self._strike()
        self.records.append(record)

    def left_open(self) -> list[object]:
        """Return the names of the entries not yet closed."""
        named = [(record["record"], record["name"]) for record in self.records]
        closed = {name for record, name in named if record == "closed"}
        return [name for record, name in named if record == "open" and name not in closed]

    def steps(self, name: object) -> list[Step]:
        """Return what an entry said would undo it."""
        (record,) = [each for each in self.records if (each["record"], each["name"]) == ("open", name)]
        return [Step(each["action"], each["args"]) for each in cast("Sequence[Mapping[str, Any]]", record["steps"])]


@dataclass(frozen=True)
class FakeRemoval:
    """`toxic.remove` on links in memory."""

    links: Mapping[str, FakeLink]

    def carry_out(self, args: Mapping[str, object]) -> Force | None:
        link = self.links[str(args["proxy"])]
        link.remove(str(args["toxic"]))
        return Force("it was started again", {"api": link.address}) if link.wedged else None

    def remaining(self, args: Mapping[str, object]) -> str | None:
        link = self.links[str(args["proxy"])]
        return f"{args['toxic']} is still there" if str(args["toxic"]) in link.state().toxics else None


@dataclass(frozen=True)
class FakeEnabling:
    """`proxy.enable` on links in memory."""

    links: Mapping[str, FakeLink]

    def carry_out(self, args: Mapping[str, object]) -> None:
        self.links[str(args["proxy"])].set_enabled(True)

    def remaining(self, args: Mapping[str, object]) -> str | None:
        return None if self.links[str(args["proxy"])].state().enabled else "the proxy is closed"


def fake_actions(links: Mapping[str, FakeLink]) -> Actions:
    """Return what puts links in memory back."""
    return {"toxic.remove": FakeRemoval(links), "proxy.enable": FakeEnabling(links)}
