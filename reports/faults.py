"""The faults of a run: what was planned, what was played, and how each recovery was judged.

The windows are put together again from the journal's events, not read from
`timeline.json`, because a killed run has the first and not the second.
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.records import Event, FaultWindow
from harness.units import format_s
from harness.verdict import Finding, Verdict

TIMELINE = "timeline.json"

_KNOWN = frozenset({"step", "fault", "target", "reason"})
_PLANNED = frozenset({"inject_s", "heal_s", "fault", "target"})


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One fault for the reader. `window` is None when its turn never came; the texts may be empty."""

    name: str
    parameters: str
    planned_s: float | None
    window: FaultWindow | None
    recovery: str = ""
    verdict: Verdict | None = None


def fault_rows(events: Sequence[Event], findings: Iterable[Finding], run_folder: Path) -> list[FaultRow]:
    """Return every fault that was played, in order, then those that were only planned."""
    rows = _played(events)
    planned = _planned(run_folder)
    for n, row in enumerate(rows):
        same = next((p for p in planned if p.name == row.name), None)
        if same is not None:
            planned.remove(same)
            rows[n] = dataclasses.replace(row, planned_s=same.planned_s)
    return _with_recoveries(rows, events, findings) + planned


def fault_windows(events: Iterable[Event]) -> list[tuple[FaultWindow, Mapping[str, object]]]:
    """Return each fault's window and parameters, in the order of injection."""
    windows: list[FaultWindow] = []
    parameters: list[Mapping[str, object]] = []
    newest: dict[tuple[str, str], int] = {}
    for event in events:
        if event.kind != "fault":
            continue
        step = event.detail.get("step")
        key = str(event.detail.get("fault", "?")), str(event.detail.get("target", "?"))
        if step == "injected":
            newest[key] = len(windows)
            windows.append(FaultWindow(*key, event.t_s, None, None, None))
            parameters.append({k: v for k, v in event.detail.items() if k not in _KNOWN})
        elif key in newest:
            n = newest[key]
            windows[n] = _after(windows[n], str(step), event)
    return list(zip(windows, parameters, strict=True))


def _after(window: FaultWindow, step: str, event: Event) -> FaultWindow:
    match step:
        case "proved":
            return dataclasses.replace(window, proved_s=event.t_s)
        case "healing":
            return dataclasses.replace(window, healing_s=event.t_s)
        case "healed":
            return dataclasses.replace(window, healed_s=event.t_s)
        case _:
            return dataclasses.replace(window, note=str(event.detail.get("reason", step)))


def _played(events: Iterable[Event]) -> list[FaultRow]:
    return [FaultRow(w.name, _words(parameters), None, w) for w, parameters in fault_windows(events)]


def _planned(run_folder: Path) -> list[FaultRow]:
    """Return the schedule as the runner left it; none when it left none that can be read."""
    try:
        timeline: Any = json.loads((run_folder / TIMELINE).read_text(encoding="utf-8"))
        warm_s = float(timeline["warm_s"])
        return [
            FaultRow(
                f"{planned['fault']} {planned['target']}",
                _words({k: v for k, v in planned.items() if k not in _PLANNED}),
                warm_s + float(planned["inject_s"]),
                None,
            )
            for planned in timeline["planned"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _with_recoveries(rows: list[FaultRow], events: Iterable[Event], findings: Iterable[Finding]) -> list[FaultRow]:
    """Give each healed fault its recovery: the judge's finding, or where it said nothing the run's own event."""
    judged: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.check == "recovery":
            judged[finding.where].append(finding)
    seen: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.kind == "recovery":
            seen[f"{event.detail.get('fault')} {event.detail.get('target')}"].append(event)
    told = []
    for row in rows:
        healed = row.window is not None and row.window.healed_s is not None
        if healed and judged[row.name]:
            finding = judged[row.name].pop(0)
            told.append(dataclasses.replace(row, recovery=finding.observed, verdict=finding.verdict))
        elif healed and seen[row.name]:
            took_s = seen[row.name].pop(0).detail.get("recovery_s")
            text = format_s(took_s) if isinstance(took_s, int | float) else "not seen"
            told.append(dataclasses.replace(row, recovery=text))
        else:
            told.append(row)
    return told


def _words(parameters: Mapping[str, object]) -> str:
    """Return parameters as people read them: durations with their unit."""
    return ", ".join(
        f"{key.removesuffix('_s')} {format_s(value)}"
        if key.endswith("_s") and isinstance(value, int | float) and not isinstance(value, bool)
        else f"{key} {value}"
        for key, value in parameters.items()
    )
