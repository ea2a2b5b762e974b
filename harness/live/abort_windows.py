"""One abort over the ticks of a run as they come: its windows, and how many of them in a row were bad.

A tick that lies in the abort's part of the run only to a share says nothing of
that part, and a sample that never came is no bad one: what was not seen ends
no run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from harness.criteria.aborts import Abort
from harness.criteria.limits import INCREASES, WHERE, Statistic, When, amount
from harness.records import Outcome
from harness.units import format_s

_OUTCOMES = tuple(str(outcome) for outcome in Outcome)
# A tick that comes a little early still ends its window.
_EARLY = 1e-3


class AbortWindows:
    """Sees one abort's series; `found` says whether there ever was one."""

    def __init__(self, abort: Abort) -> None:
        self.abort = abort
        self.found = False
        self._mine: dict[str, bool] = {}
        self._rows: dict[str, _Row] = {}

    def see(self, t_s: float, values: Mapping[str, float], *, inside: bool) -> str:
        """Look at the tick that ended at `t_s`, in the abort's part of the run or not; return why to end the run."""
        mine = {name: value for name, value in values.items() if self._is_mine(name)}
        self.found |= bool(mine)
        if not inside:
            self._rows.clear()
        elif mine and self.abort.adds_up:
            return self._hold(self.abort.series, t_s, sum(mine.values()))
        else:
            for name, value in mine.items():
                if told := self._hold(name, t_s, value):
                    return told
        return ""

    def _hold(self, name: str, t_s: float, value: float) -> str:
        row = self._rows.get(name)
        if row is None:
            # That tick began before it was known to lie in this part.
            self._rows[name] = _Row(t_s, value)
        elif row.see(t_s, value, self.abort):
            return self._told(name, t_s, row.last)
        return ""

    def _is_mine(self, name: str) -> bool:
        mine = self._mine.get(name)
        if mine is None:
            mine = self._mine[name] = self.abort.names(name)
        return mine

    def _told(self, name: str, t_s: float, value: float) -> str:
        abort = self.abort
        statistic = "" if abort.statistic is Statistic.EVERY else f"{abort.statistic} "
        windows = f"windows of {format_s(abort.window_s)}" if abort.window_s else "samples"
        value_seen = f"{statistic}{amount(name, abort.statistic, value)}"
        seen = f"{value_seen} in the last of {abort.windows_in_a_row} {windows} in a row"
        allowed = abort.wanted.told(lambda limit: amount(name, abort.statistic, limit))
        where = "" if abort.when is When.ALL else f" {WHERE[abort.when]}"
        return f"{name}: {seen} until {t_s:.1f} s, allowed {allowed}{where}"


class _Row:
    """One series: the window in hand, the bad ones right before it, and what the last one came to."""

    __slots__ = ("_bad", "_began_s", "_gained", "_total", "_values", "last")

    def __init__(self, t_s: float, total: float) -> None:
        self._began_s = t_s
        self._total = total
        self._gained = 0.0
        self._values: list[float] = []
        self._bad = 0
        self.last = 0.0

    def see(self, t_s: float, value: float, abort: Abort) -> bool:
        """Take in a sample; return whether that was the last of enough bad windows."""
        self._values.append(value)
        # A total that fell was started anew, and has risen from nothing since.
        self._gained += value - self._total if value >= self._total else value
        self._total = value
        lasted_s = t_s - self._began_s
        if lasted_s < abort.window_s * (1 - _EARLY):
            return False
        self.last = self._level(abort.statistic, lasted_s)
        self._bad = 0 if abort.wanted.holds(self.last) else self._bad + 1
        self._began_s, self._gained, self._values = t_s, 0.0, []
        return self._bad >= abort.windows_in_a_row

    def _level(self, statistic: Statistic, lasted_s: float) -> float:
        if statistic in INCREASES:
            return self._gained / (lasted_s if statistic is Statistic.INCREASE_PER_S else 1.0)
        return _LEVELS[statistic](self._values, lasted_s)


def _quantile(quantile: float) -> Callable[[list[float], float], float]:
    return lambda values, _: float(np.quantile(values, quantile, method="inverted_cdf"))


_LEVELS: Mapping[Statistic, Callable[[list[float], float], float]] = {
    Statistic.EVERY: lambda values, _: values[-1],
    Statistic.MIN: lambda values, _: min(values),
    Statistic.MEAN: lambda values, _: sum(values) / len(values),
    Statistic.MAX: lambda values, _: max(values),
    Statistic.LAST: lambda values, _: values[-1],
    Statistic.P50: _quantile(0.50),
    Statistic.P95: _quantile(0.95),
    Statistic.P99: _quantile(0.99),
    Statistic.SUM: lambda values, _: sum(values),
    Statistic.SUM_PER_S: lambda values, lasted_s: sum(values) / lasted_s,
}


class Counts:
    """The counts of requests, which a tick leaves out where there were none: with those of 0."""

    def __init__(self) -> None:
        self._zeros: dict[str, float] = {}

    def whole(self, values: Mapping[str, float]) -> Mapping[str, float]:
        """Return a tick's values with a 0 for each outcome of each operation that was ever seen to end."""
        for name in values.keys() - self._zeros.keys():
            kind, _, rest = name.partition(".")
            operation, _, figure = rest.rpartition(".")
            if kind == "load" and figure in _OUTCOMES:
                self._zeros |= {f"load.{operation}.{outcome}": 0.0 for outcome in _OUTCOMES}
        return {**self._zeros, **values}
