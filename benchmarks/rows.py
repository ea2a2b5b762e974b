"""What a benchmark tells: rows of ours beside a peer's, as a table for people and a file for programs.

A row says by itself whether its goal holds, so that a missed goal is a line to
be read and explained, not a failed command. What was not measured fairly has
no ratio, and a goal over it is left undecided rather than won.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.root import ROOT

FOLDER = ROOT / "reports" / "bench"
_HEADINGS = ("measure", "ours", "peer", "whose", "ours/peer", "goal", "holds")
_HOLDS = {True: "yes", False: "NO", None: "-"}


@dataclass(frozen=True, slots=True)
class Row:
    """One measure: ours, the peer's (None: there is no peer), and the goal in words with whether it holds.

    `ratio` is ours/peer and None where the two cannot be compared; `holds` is None where there is no goal or nothing
    to decide it by.
    """

    measure: str
    ours: float | None
    peer: float | None
    peer_name: str | None
    ratio: float | None
    goal: str | None
    holds: bool | None


def compare(
    measure: str,
    ours: float | None,
    peer: float | None,
    peer_name: str,
    *,
    ratio_max: float | None = None,
    fair: bool = True,
) -> Row:
    """Return a row of ours beside a peer's, its goal a ratio of at most `ratio_max`.

    With `fair` False both figures are told and nothing is made of them.
    """
    ratio = ours / peer if fair and ours is not None and peer else None
    goal = None if ratio_max is None else f"ratio <= {ratio_max:g}"
    holds = None if ratio is None or ratio_max is None else ratio <= ratio_max
    return Row(measure, ours, peer, peer_name, ratio, goal, holds)


def judge(measure: str, ours: float | None, *, at_most: float | None = None) -> Row:
    """Return a row of ours alone, its goal a value of at most `at_most`, in the unit that `measure` names."""
    goal = None if at_most is None else f"<= {at_most:g}"
    holds = None if ours is None or at_most is None else ours <= at_most
    return Row(measure, ours, None, None, None, goal, holds)


def table(rows: Sequence[Row]) -> str:
    """Return the rows as lines of plain ASCII, columns aligned, figures to four digits."""
    lines = [_HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    rule = tuple("-" * width for width in widths)
    return "\n".join(_aligned(line, widths) for line in (lines[0], rule, *lines[1:]))


def write(name: str, rows: Sequence[Row], folder: Path = FOLDER) -> Path:
    """Write the rows to `folder`/NAME.json as a list of objects and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps([asdict(row) for row in rows], indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path


def _cells(row: Row) -> tuple[str, ...]:
    figures = (_figure(row.ours), _figure(row.peer), row.peer_name or "", _figure(row.ratio))
    return (row.measure, *figures, row.goal or "", _HOLDS[row.holds])


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return one line: words to the left, figures (ours, peer, ratio) to the right."""
    figures = {1, 2, 4}
    put = (
        cell.rjust(width) if column in figures else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(put).rstrip()
