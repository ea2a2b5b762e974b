"""Where the faults and the phases lie on the time axis: shading in every chart, named in one chart of their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.records import FaultWindow
from reports.model import Phase, RunView

# More labels than this would cover the curves; the timeline above still names every window.
_LABELS_MAX = 12


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time with a name, in seconds since the run's epoch."""

    name: str
    begin_s: float
    end_s: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Marks:
    """What is marked on every time axis, which ends at `end_s`."""

    faults: tuple[Period, ...]
    phases: tuple[Period, ...]
    end_s: float

    @property
    def labelled(self) -> bool:
        """Whether there is room to name the faults inside the charts."""
        return len(self.faults) <= _LABELS_MAX

    @property
    def rows(self) -> list[str]:
        """The timeline's rows from top to bottom, each once: the phases, then each fault in order of appearance."""
        return list(dict.fromkeys([*(["phase"] if self.phases else []), *(mark.name for mark in self.faults)]))


def read_marks(view: RunView) -> Marks:
    """Return the marks of a run; a fault that never healed lasts until the end."""
    windows = (row.window for row in view.faults if row.window is not None)
    return Marks(tuple(_faults(windows, view.end_s)), tuple(_phases(view.phases)), max(view.end_s, 1.0))


def _faults(windows: Iterable[FaultWindow], end_s: float) -> list[Period]:
    return [
        Period(w.name, w.injected_s, end_s if w.healed_s is None else w.healed_s, "" if w.healed_s else "never healed")
        for w in windows
    ]


def _phases(phases: Iterable[Phase]) -> list[Period]:
    return [Period(phase.name.replace("_", " "), phase.begin_s, phase.end_s) for phase in phases]
