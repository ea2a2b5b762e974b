"""`python -m reports history`: the runs of one key side by side, and whether they drift.

Only runs that are comparable stand in one table: those of one key, by default
that of the newest run.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from harness.comparison import FIGURES_NAME, EarlierRuns, Figures, Key, read_earlier_runs
from harness.errors import InputError
from harness.stats import RUNS_MIN
from reports.history.otava import ChangePoint, find_change_points

# What a table of a console's width has room for; the CSV file has all.
_SHOWN = ("latency_s_p50", "latency_s_p95", "latency_s_p99", "throughput_per_s", "error_fraction")
_SHOWN_BEGIN = ("recovery_s.", "cpu_s_per_request", "memory_bytes")
_UNREAD_MAX = 5
# The newest runs that are held against those before them.
_NEWEST = 5


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--key", metavar="ID", help="the runs of this key (default: the newest run's)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write every figure of these runs there")
    parser.add_argument("--otava", action="store_true", help="look for change points with Apache Otava (needs uv)")


def history_text(options: argparse.Namespace, runs: Path) -> Iterator[str]:
    """Yield what the command prints, part by part.

    Raises InputError for no such key, EnvironmentMissing without what Otava needs, OSError for a bad file.
    """
    every = read_earlier_runs(runs)
    past = of_key(every, options.key, runs)
    key = past.runs[-1].key
    yield f"key {key.id}: {key}"
    yield table(past)
    yield drift(past)
    if others := other_keys(every, key):
        yield "\n".join(["other keys:", *others])
    if every.unread:
        more = [f"  and {len(every.unread) - _UNREAD_MAX} more"] if len(every.unread) > _UNREAD_MAX else []
        yield "\n".join(["without:", *(f"  {reason}" for reason in every.unread[:_UNREAD_MAX]), *more])
    if options.csv:
        write_csv(past, options.csv)
        yield f"written to {options.csv}"
    if options.otava:
        yield points_text(find_change_points(past))


def of_key(every: EarlierRuns, key_id: str | None, runs: Path) -> EarlierRuns:
    """Return the runs of a key, of the newest run's by default. Raises InputError when there is none."""
    if not every.runs:
        rule = f"no run under {runs} has left a {FIGURES_NAME} yet"
        raise InputError("command line", "history", str(runs), rule)
    wanted = key_id or every.runs[-1].key.id
    found = tuple(run for run in every.runs if run.key.id == wanted)
    if not found:
        known = ", ".join(sorted({run.key.id for run in every.runs}))
        raise InputError("command line", "--key", wanted, f"must be one of {known}")
    return EarlierRuns(found)


def other_keys(every: EarlierRuns, key: Key) -> list[str]:
    """Return a line for each key but this one."""
    counts = Counter(run.key for run in every.runs if run.key != key)
    return [f"  {other.id}  {count:3d} runs  {other}" for other, count in counts.most_common()]


def table(past: EarlierRuns) -> str:
    """Return the runs, the oldest first, a line each: what they left, and which of their checks did not pass."""
    names = shown(past)
    rows = [["run", *names, "not passed"]]
    rows += [[run.run_id, *(_cell(run, name) for name in names), ", ".join(run.failed) or "-"] for run in past.runs]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def shown(past: EarlierRuns) -> list[str]:
    """Return the figures that a table shows: those of whole runs, not of single services."""
    known = {name for run in past.runs for name in run.figures}
    wide = sorted(name for name in known if name.startswith(_SHOWN_BEGIN))
    return [
        *(name for name in _SHOWN if name in known),
        *(n for n in wide if n.startswith("recovery_s.") or "." not in n),
    ]


def drift(past: EarlierRuns) -> str:
    """Return how the newest known-good runs stand to those before them."""
    good = past.known_good
    if len(good) < RUNS_MIN:
        return f"drift not evaluated: {len(good)} of {RUNS_MIN} comparable passing runs"
    lines = [f"drift: the median of the newest {_NEWEST} of {len(good)} runs that passed, beside those before them"]
    for name in shown(past):
        values = past.value(name)
        before, newest = values[:-_NEWEST], values[-_NEWEST:]
        if before and (usual := float(np.median(before))):
            lines.append(f"  {name:<24} {float(np.median(newest)) / usual - 1:+.1%}")
    return "\n".join(lines)


def write_csv(past: EarlierRuns, path: Path) -> None:
    """Write every figure of every run, empty where a run has none."""
    names = sorted({name for run in past.runs for name in run.figures})
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "run", "failed", *names])
        for run in past.runs:
            writer.writerow(
                [run.started_at, run.run_id, " ".join(run.failed), *(run.figures.get(n, "") for n in names)]
            )


def points_text(points: Sequence[ChangePoint]) -> str:
    """Return what Otava found, a line each, the oldest first."""
    if not points:
        return "Otava: no change point"
    ordered = sorted(points, key=lambda point: (point.time, point.figure))
    return "\n".join(["Otava: change points", *(f"  {point}" for point in ordered)])


def _cell(run: Figures, name: str) -> str:
    if name not in run.figures:
        return "-"
    censored = (
        run.figures.get(name.replace("recovery_s.", "recovery_censored.", 1), 0.0) if "recovery_s." in name else 0.0
    )
    return f"{'> ' if censored else ''}{run.figures[name]:.4g}"
