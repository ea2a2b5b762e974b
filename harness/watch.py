"""Should a run go on? Looks at every tick as it comes, and says when nothing is left to be gained.

It stops a run, it does not judge one: the checks decide from the whole record,
with intervals, what this decides in a moment from three windows. So it must
never stop a healthy run, over two days of which the rarest noise comes by; and
to miss something costs time, not a verdict.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Self

import numpy as np

from harness.budget import Budget
from harness.evidence import LATE_S
from harness.records import PHASE_OF_FAULTS
from harness.units import format_bytes, format_s
from harness.verdict import Verdict

P95 = "load.all.response_s_p95"
# Shorter ones follow a shared machine's every hiccup; in a window of 10 s it takes a pause that lasts.
_WIDTH_S = 10.0
_IN_A_ROW = 3
# A baseline says what is usual from this many windows on; of more than the most, every other one is forgotten.
_BASELINE_MIN, _BASELINE_MAX = 6, 512
# Some 17 000 windows of two days must not hold three of them in a row by chance.
_SIGMAS = 6.0
# What a shared machine adds for reasons of its own.
_SLACK_S = 0.05
# How long a ceiling may be broken, in ticks: a peak is for the checks, which see every sample.
_TICKS = 10
_MACHINE_FULL, _GENERATOR_BUSY = 0.9, 0.95
# Phases in which load is as it will be, and nothing planned is done to it but faults.
_CALM_PHASES = frozenset({PHASE_OF_FAULTS, "hold"})


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What the series that match `pattern` may not stay above for `ticks` ticks.

    With `per_s` it is their increase a second. `verdict` is what a run that was stopped for it comes to.
    """

    pattern: str
    limit: float
    verdict: Verdict
    in_bytes: bool = False
    per_s: bool = False
    ticks: int = _TICKS

    def told(self, value: float) -> str:
        """Return a value in its unit."""
        return format_bytes(value) if self.in_bytes else f"{value:.0%}"


def ceilings(memory_ceiling_bytes: float) -> tuple[Ceiling, ...]:
    """Return the usual ones: what a service holds fails; a machine or a generator at its end proves nothing."""
    return (
        Ceiling("process.*.rss_bytes", memory_ceiling_bytes, Verdict.FAIL, in_bytes=True),
        Ceiling("container.*.memory_bytes", memory_ceiling_bytes, Verdict.FAIL, in_bytes=True),
        Ceiling("machine.all.memory_fraction", _MACHINE_FULL, Verdict.INCONCLUSIVE),
        Ceiling("generator.cpu_s", _GENERATOR_BUSY, Verdict.INCONCLUSIVE, per_s=True),
        Ceiling("worker.*.cpu_s", _GENERATOR_BUSY, Verdict.INCONCLUSIVE, per_s=True),
    )


@dataclass(slots=True)
class _Window:
    """The window in hand: when it began, and the logarithms of its ticks' p95."""

    begins_s: float
    logs: list[float] = field(default_factory=list)


class Watch:
    """Sees the ticks of one run; `reason` is empty until there is one to stop it, and `verdict` what it then comes to.

    A stop for slowness is INCONCLUSIVE by itself: whether the service is slower the checks decide. `see` belongs to one
    thread, `note` may come from any.
    """

    def __init__(
        self,
        *,
        slowdown_fraction: float,
        aftermath_s: float,
        ceilings: tuple[Ceiling, ...],
        slack_s: float = _SLACK_S,
        width_s: float = _WIDTH_S,
    ) -> None:
        self.reason = ""
        self.verdict = Verdict.INCONCLUSIVE
        self._factor = math.log1p(slowdown_fraction)
        self._aftermath_s = aftermath_s
        self._ceilings = ceilings
        self._slack_s = slack_s
        self._width_s = width_s
        self._noted: deque[tuple[str, Mapping[str, object]]] = deque()
        self._calm_phase = False
        self._broken: set[tuple[object, object]] = set()
        self._quiet_from_s = 0.0
        self._window: _Window | None = None
        self._baseline: list[float] = []
        self._slow: list[float] = []
        self._above: dict[str, int] = {}
        self._totals: dict[str, tuple[float, float]] = {}

    @classmethod
    def over(cls, budget: Budget) -> Self:
        """Return the watch over a run of this budget."""
        return cls(
            slowdown_fraction=budget.slowdown_fraction,
            aftermath_s=budget.recovery_s,
            ceilings=ceilings(budget.memory_ceiling_bytes),
        )

    def note(self, kind: str, **detail: object) -> None:
        """Hear of an event: `phase` with its `name`, `fault` with its `step`, `fault` and `target`."""
        self._noted.append((kind, detail))

    def see(self, t_s: float, values: Mapping[str, float]) -> str:
        """Look at the tick that ended at `t_s` and return `reason`."""
        self._hear(t_s)
        if not self.reason:
            self._look_up(t_s, values)
        if not self.reason:
            self._look_back(t_s, values)
        return self.reason

    def _hear(self, t_s: float) -> None:
        while self._noted:
            kind, detail = self._noted.popleft()
            if kind == "phase":
                self._calm_phase = detail.get("name") in _CALM_PHASES
            elif kind == "fault":
                fault = (detail.get("fault"), detail.get("target"))
                if detail.get("step") == "injected":
                    self._broken.add(fault)
                elif detail.get("step") in {"healed", "not_healed"}:
                    self._broken.discard(fault)
                    self._quiet_from_s = t_s + self._aftermath_s
        if self._broken or not self._calm_phase or t_s < self._quiet_from_s:
            # What a window saw before is not told apart from what it saw since.
            self._window = None
            self._slow.clear()

    def _look_up(self, t_s: float, values: Mapping[str, float]) -> None:
        """Hold every series that has a ceiling against it."""
        for ceiling in self._ceilings:
            for name in values:
                if not fnmatchcase(name, ceiling.pattern):
                    continue
                value = self._rate(name, t_s, values[name]) if ceiling.per_s else values[name]
                self._above[name] = self._above.get(name, 0) + 1 if value > ceiling.limit else 0
                if self._above[name] >= ceiling.ticks:
                    limit, seen = ceiling.told(ceiling.limit), ceiling.told(value)
                    self.verdict = ceiling.verdict
                    self.reason = f"{name} above {limit} for {ceiling.ticks} ticks, {seen} at {t_s:.1f} s"

    def _rate(self, name: str, t_s: float, total: float) -> float:
        before_s, before = self._totals.get(name, (t_s, total))
        self._totals[name] = (t_s, total)
        return (total - before) / (t_s - before_s) if t_s > before_s else 0.0

    def _look_back(self, t_s: float, values: Mapping[str, float]) -> None:
        """Add the tick to its window, and judge the window when it is over."""
        if self._broken or not self._calm_phase or t_s < self._quiet_from_s:
            return
        if self._window is None:
            self._window = _Window(t_s)  # this tick began before it was known to be calm
            return
        if (p95_s := values.get(P95, 0.0)) > 0 and values.get("generator.lag_s_p95", 0.0) <= LATE_S:
            self._window.logs.append(math.log(p95_s))
        if t_s - self._window.begins_s >= self._width_s * (1 - 1e-3):
            logs, self._window = self._window.logs, _Window(t_s)
            if logs:
                self._judge(t_s, float(np.mean(logs)))

    def _judge(self, t_s: float, level: float) -> None:
        limit_s = self._limit_s()
        if math.exp(level) <= limit_s:
            self._slow.clear()
            self._baseline.append(level)
            if len(self._baseline) > _BASELINE_MAX:
                del self._baseline[::2]
            return
        self._slow.append(math.exp(level))
        if len(self._slow) >= _IN_A_ROW:
            seen = ", ".join(format_s(p95_s) for p95_s in self._slow)
            usual = format_s(math.exp(float(np.median(self._baseline))))
            rule = f"allowed {format_s(limit_s)}, usual {usual}"
            self.reason = f"p95 response time {seen} in {_IN_A_ROW} windows in a row until {t_s:.1f} s, {rule}"

    def _limit_s(self) -> float:
        """Return what a window may take: the usual, what is allowed or usual beside it, and a machine's own delays."""
        if len(self._baseline) < _BASELINE_MIN:
            return math.inf
        usual = float(np.median(self._baseline))
        sigma = 1.4826 * float(np.median(np.abs(np.array(self._baseline) - usual)))
        return math.exp(usual + max(self._factor, _SIGMAS * sigma)) + self._slack_s
