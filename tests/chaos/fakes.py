"""Stand-ins for the conductor's surroundings: links in memory, and a strike that raises at one chosen call.

Everything the conductor calls goes through one counter, so that a test can go
through all the moments at which a run may be stopped and leave none out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from chaos.canary import Seen, Sight
from chaos.faults import LinkState
from chaos.toxics import Toxic
from harness.clock import ManualClock
from harness.errors import InjectionFailed

QUICK_S = 0.001


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
    after a call's effect, not before it.
    """

    name: str
    strike: Strike = field(default_factory=Strike)
    late: bool = False
    numb: bool = False
    slow_s: float = QUICK_S
    feels_after: int = 0
    stuck: type[Exception] | None = None
    lying: bool = False
    enabled: bool = True
    toxics: dict[str, Toxic] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def add(self, name: str, toxic: Toxic) -> None:
        with self._called(f"add {name}"):
            if name in self.toxics:
                raise InjectionFailed(f"{self.name}: {name} exists")
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

    def look(self) -> Sight:
        with self._called("look"):
            if self.numb or (self._broken and self._not_yet_felt()):
                return Sight(Seen.ANSWERED, self.slow_s)
            if not self.enabled:
                return Sight(Seen.REFUSED, QUICK_S)
            return Sight(Seen.ANSWERED, self.slow_s + sum(t.attributes["latency_s"] for t in self.toxics.values()))

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
