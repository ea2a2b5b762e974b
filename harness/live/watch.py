"""Should a run go on? Looks at every tick as it comes, and says when nothing is left to be gained.

It stops a run, it does not judge one: the checks decide from the whole record,
with intervals, what this decides in a moment from three windows. So it must
never stop a healthy run, over two days of which the rarest noise comes by; and
to miss something costs time, not a verdict.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from harness.criteria.aborts import Abort, Ceiling
from harness.criteria.budget import Budget
from harness.criteria.limits import Statistic, When
from harness.live.abort_windows import AbortWindows, Counts
from harness.records import LATE_S, PHASE_OF_FAULTS
from harness.units import format_s
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
# How long a ceiling may be broken, in samples: a peak is for the checks, which see every sample.
_SAMPLES = 10
_MACHINE_FULL, _MACHINE_BUSY, _GENERATOR_BUSY = 0.9, 0.95, 0.95
# A small machine that runs all of it is busy for seconds at a time, when a burst or a recovery is due, and healthy
# soaks on two cores take a third of them; a minute of nothing left is a load that it cannot carry.
_BUSY_WINDOWS = 6
# Of the share of good replies that the budget asks for: with less than half of it for so long, nothing is left to see.
_GOOD_SHARE = 0.5
# Phases in which load is as it will be, and nothing planned is done to it but faults.
_CALM_PHASES = frozenset({PHASE_OF_FAULTS, "hold"})


def usual(budget: Budget) -> tuple[Abort, ...]:
    """Return what ends any run: what a service holds fails; what a machine or a generator at its end shows is nothing.

    So does an error budget that is spent many times over: what that means, the checks decide.
    """

    def ceiling(series: str, limit: float, verdict: Verdict, statistic: Statistic = Statistic.EVERY) -> Abort:
        return Ceiling(
            series=series, statistic=statistic, max=limit, windows_in_a_row=_SAMPLES, when=When.ALL, verdict=verdict
        )

    held, undecided, per_s = budget.memory_ceiling_bytes, Verdict.INCONCLUSIVE, Statistic.INCREASE_PER_S
    good = _GOOD_SHARE * (1 - budget.error_fraction)

    busy = Abort(
        series="machine.all.cpu_fraction",
        statistic=Statistic.MEAN,
        max=_MACHINE_BUSY,
        window_s=_WIDTH_S,
        windows_in_a_row=_BUSY_WINDOWS,
    )
    failing = Abort(
        series="load.all.good_fraction",
        statistic=Statistic.MEAN,
        min=good,
        window_s=_WIDTH_S,
        windows_in_a_row=_IN_A_ROW,
        when=When.CALM,
    )
    return (
        ceiling("process.*.rss_bytes", held, Verdict.FAIL),
        ceiling("container.*.memory_bytes", held, Verdict.FAIL),
        ceiling("machine.all.memory_fraction", _MACHINE_FULL, undecided),
        ceiling("generator.cpu_s", _GENERATOR_BUSY, undecided, per_s),
        ceiling("worker.*.cpu_s", _GENERATOR_BUSY, undecided, per_s),
        busy,
        failing,
    )


@dataclass(slots=True)
class _Window:
    """The window in hand: when it began, and the logarithms of its ticks' p95."""

    begins_s: float
    logs: list[float] = field(default_factory=list)


class Watch:
    """Sees the ticks of one run; `reason` is empty until there is one to stop it, and `verdict` what it then comes to.

    `aborts` end any run, `asked` are those of one scenario. A stop for slowness is INCONCLUSIVE by itself: whether the
    service is slower the checks decide. `see` belongs to one thread, `note` may come from any.
    """

    def __init__(
        self,
        *,
        slowdown_fraction: float,
        aftermath_s: float,
        aborts: Iterable[Abort],
        asked: Iterable[Abort] = (),
        slack_s: float = _SLACK_S,
        width_s: float = _WIDTH_S,
    ) -> None:
        self.reason = ""
        self.verdict = Verdict.INCONCLUSIVE
        self._factor = math.log1p(slowdown_fraction)
        self._aftermath_s = aftermath_s
        self._asked = [AbortWindows(abort) for abort in asked]
        self._abort_windows = [*(AbortWindows(abort) for abort in aborts), *self._asked]
        self._counts = Counts()
        self._slack_s = slack_s
        self._width_s = width_s
        self._noted: deque[tuple[str, Mapping[str, object]]] = deque()
        self._calm_phase = False
        self._broken: set[tuple[object, object]] = set()
        self._healed = False
        self._quiet_from_s = 0.0
        self._window: _Window | None = None
        self._baseline: list[float] = []
        self._slow: list[float] = []

    @classmethod
    def over(cls, budget: Budget, aborts: Iterable[Abort] = ()) -> Self:
        """Return the watch over a run of this budget, which `aborts` end early as well."""
        return cls(
            slowdown_fraction=budget.slowdown_fraction,
            aftermath_s=budget.recovery_s,
            aborts=usual(budget),
            asked=aborts,
        )

    @property
    def unwatched(self) -> tuple[str, ...]:
        """The names in `asked` that no series of this run bears so far: what they forbid was never looked for."""
        return tuple(each.abort.series for each in self._asked if not each.found)

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
                    self._healed |= detail.get("step") == "healed"
                    self._broken.discard(fault)
                    self._quiet_from_s = t_s + self._aftermath_s
        if not self._calm(t_s):
            # What a window saw before is not told apart from what it saw since.
            self._window = None
            self._slow.clear()

    def _look_up(self, t_s: float, values: Mapping[str, float]) -> None:
        """Hold every series that is watched against what is allowed."""
        whole, parts = self._counts.whole(values), self._parts(t_s)
        for windows in self._abort_windows:
            reason = windows.see(t_s, whole, inside=windows.abort.when in parts)
            if reason and not self.reason:
                self.reason, self.verdict = reason, windows.abort.verdict

    def _parts(self, t_s: float) -> set[When]:
        """Return the parts of the run in which it is now."""
        whole = not self._broken
        return {
            When.ALL,
            *([When.WARM] if self._calm_phase else []),
            *([When.CALM] if self._calm(t_s) else []),
            *([When.HEALED] if self._calm_phase and self._healed and whole else []),
            *([] if whole else [When.FAULTED]),
        }

    def _calm(self, t_s: float) -> bool:
        return self._calm_phase and not self._broken and t_s >= self._quiet_from_s

    def _look_back(self, t_s: float, values: Mapping[str, float]) -> None:
        """Add the tick to its window, and judge the window when it is over."""
        if not self._calm(t_s):
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
