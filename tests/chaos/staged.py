"""A conductor amid links in memory, for tests of what it does and when, and of what strikes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from chaos.conductor import Conductor
from chaos.faults.links.down import DownFault
from chaos.faults.links.latency import LatencyFault
from chaos.profile.timeline import At, expand
from chaos.targets import Targets
from harness.errors import JournalError
from harness.records import FaultWindow
from tests.chaos.fakes import FakeLink, Inline, MemoryLedger, Strike, StruckClock, fake_actions

START_S = 3.0
# Overlaps on different hops, and two faults that meet on one.
BUSY = [
    At(1.0, 2.0, LatencyFault("a", 0.2)),
    At(2.0, 2.0, DownFault("b")),
    At(4.0, 0.5, LatencyFault("b", 0.2)),
    At(2.5, 3.0, DownFault("c")),
]


@dataclass
class Stage:
    """A conductor amid fakes; `told` is what it noted: (second, step, fault, hop)."""

    links: Mapping[str, FakeLink]
    strike: Strike = field(default_factory=Strike)
    told: list[tuple[float, str, str, str]] = field(default_factory=list)
    reasons: list[object] = field(default_factory=list)
    mute: bool = False
    permit: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.clock = StruckClock(strike=self.strike)
        for link in self.links.values():
            link.strike = self.strike
        self.ledger = MemoryLedger(self.strike)
        self.conductor = Conductor(
            Targets(links=self.links),
            ledger=self.ledger,
            actions=fake_actions(self.links),
            lookers=Inline(),
            clock=self.clock,
            now_s=self.clock.now_s,
            note=self._note,
            alive=self.strike,
            permit=self.permit,
        )

    def play(self, entries: Sequence[At]) -> list[FaultWindow]:
        self.conductor.play(expand(entries, seed=1), start_s=START_S)
        return list(self.conductor.windows.values())

    def steps(self, step: str) -> list[tuple[str, str]]:
        return [(fault, hop) for _, told, fault, hop in self.told if told == step]

    def broken(self) -> list[str]:
        return [name for name, link in self.links.items() if not link.whole]

    def _note(self, kind: str, *, step: str, fault: str, target: str, **detail: object) -> None:
        self.strike()
        if self.mute:
            raise JournalError("the disk is full")
        assert kind == "fault"
        self.told.append((self.clock._now_s, step, fault, target))
        self.reasons += [detail["reason"]] if "reason" in detail else []


def stage(*, at: Sequence[int] = (), error: type[BaseException] = KeyboardInterrupt, late: bool = False) -> Stage:
    return Stage({name: FakeLink(name, late=late) for name in "abc"}, Strike(frozenset(at), error))


def calls_of(entries: Sequence[At]) -> int:
    """Return how many calls an unstruck play makes."""
    calm = stage()
    calm.play(entries)
    return calm.strike.calls
