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

from harness.heartbeat import Word, read_words
from harness.records import Event, FaultWindow
from harness.stats import answers_text
from harness.units import format_s
from harness.verdict import Finding, Result, Verdict

TIMELINE = "timeline.json"

_WHOLE, _PARTS = "recovery", "recovery_parts"
_KNOWN = frozenset({"step", "fault", "target", "reason"})
_PLANNED = frozenset({"inject_s", "heal_s", "fault", "target", "course"})


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One fault for the reader. `window` is None when its turn never came; the texts may be empty.

    `parts` are what its recovery was made of, each in words.
    """

    name: str
    parameters: str
    planned_s: float | None
    window: FaultWindow | None
    recovery: str = ""
    verdict: Verdict | None = None
    parts: tuple[str, ...] = ()


def fault_rows(events: Sequence[Event], results: Iterable[Result], run_folder: Path) -> list[FaultRow]:
    """Return every fault that was played, in order, then those that were only planned."""
    rows = _played(events)
    planned = _planned(run_folder)
    for n, row in enumerate(rows):
        same = next((p for p in planned if p.name == row.name), None)
        if same is not None:
            planned.remove(same)
            rows[n] = dataclasses.replace(row, planned_s=same.planned_s)
    return _with_recoveries(rows, events, results) + planned


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
    reason = str(event.detail.get("reason", step))
    match step:
        case "proved":
            return dataclasses.replace(window, proved_s=event.t_s)
        case "healing":
            return dataclasses.replace(window, healing_s=event.t_s)
        case "healed":
            return dataclasses.replace(window, healed_s=event.t_s)
        case "forced":
            return dataclasses.replace(window, forced=reason)
        case "not_proved":
            # Also of one that was proved, and then lost.
            return dataclasses.replace(window, proved_s=None, note=reason)
        case _:
            return dataclasses.replace(window, note=reason)


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


def _with_recoveries(rows: list[FaultRow], events: Sequence[Event], results: Iterable[Result]) -> list[FaultRow]:
    """Give each healed fault its recovery: as it was judged, or else as the canary observed it."""
    judged: defaultdict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        judged[result.check, result.where].append(result)
    words = read_words(events, [row.window for row in rows if row.window is not None])
    complete = []
    for row in rows:
        if row.window is None or row.window.healed_s is None:
            complete.append(row)
            continue
        in_parts, whole = judged[_PARTS, row.name], judged[_WHOLE, row.name]
        parts = tuple(in_parts.pop(0).observed.split(", ")) if in_parts else _answers(words.get(row.window))
        recovery, verdict = "", None
        if whole:
            finding = whole.pop(0)
            # Only the whole of it: its parts stand beside it.
            recovery = finding.observed.partition(" (")[0] if parts else finding.observed
            verdict = finding.verdict if isinstance(finding, Finding) else None
        complete.append(dataclasses.replace(row, recovery=recovery, verdict=verdict, parts=parts))
    return complete


def _answers(word: Word | None) -> tuple[str, ...]:
    """Return what the canary of a run without a verdict had observed."""
    if word is None:
        return ()
    seen = word.returned
    return tuple(answers_text(seen.first_success, seen.lasting, interrupted=seen.interrupted))


def _words(parameters: Mapping[str, object]) -> str:
    """Return parameters as people read them: durations with their unit."""
    return ", ".join(
        f"{key.removesuffix('_s')} {format_s(value)}"
        if key.endswith("_s") and isinstance(value, int | float) and not isinstance(value, bool)
        else f"{key} {value}"
        for key, value in parameters.items()
    )
