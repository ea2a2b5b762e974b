"""Apache Otava over a history of runs, in an environment of its own.

It finds the run from which on a figure is another, by E-divisive means and a t
test (p 0.001), and so sees what comes in steps too small for any single run.
It pins its own numpy and brings clients of three databases, so it is never
installed beside us: uv runs it, and it reads files.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.comparison import EarlierRuns
from harness.errors import EnvironmentMissing, HeavyweatherError
from harness.root import ROOT

_PACKAGE = "apache-otava==0.8.0"
# The first time uv fetches some fifty packages.
_LIMIT_S = 600.0
# Fewer points than this have no two sides to compare.
RUNS_MIN = 6
# Otava leaves out what is more than a year old, or in the future by its clock, if not configured otherwise.
_SINCE, _UNTIL = "2000-01-01", "2100-01-01"
# When a run began, its id, and the value of one figure.
Row = tuple[str, str, float]
_BOOT = ROOT / ".boot"


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """From the run `run` on, begun at `time`, a figure is another: its means before and after, with Otava's p value."""

    figure: str
    run: str
    time: int
    before: float
    after: float
    p: float

    def __str__(self) -> str:
        """Return it as a line."""
        change = f"{(self.after - self.before) / abs(self.before):+.1%}" if self.before else "from nothing"
        return f"{self.figure} {change} from {self.run} on: {self.before:.4g} before, {self.after:.4g} since"


def find_change_points(past: EarlierRuns, command: Sequence[str] | None = None) -> list[ChangePoint]:
    """Return the change points of every figure in a history; `command` starts Otava, by default through uv.

    Runs that are wrong in more than their trend are left out. Raises EnvironmentMissing without uv, or when uv cannot
    get Otava; HeavyweatherError when Otava fails.
    """
    tables = figure_tables(past)
    if not tables:
        return []
    with tempfile.TemporaryDirectory(prefix="heavyweather-otava-") as name:
        folder = Path(name)
        config = write_inputs(tables, folder)
        options = ("--config-file", str(config), "--output", "json", "--since", _SINCE, "--until", _UNTIL)
        answer = _start([*(command or otava()), "analyze", *options, *_tests(tables)], folder)
    return read_answer(answer, tables)


def figure_tables(past: EarlierRuns) -> Mapping[str, list[Row]]:
    """Return time, run and value of each figure that varies, in the runs that have it, if those are enough."""
    runs = [run for run in past.runs if run.acceptable]
    tables = {}
    for name in sorted({name for run in runs for name in run.figures}):
        rows = [(run.started_at, run.run_id, run.figures[name]) for run in runs if name in run.figures]
        # What never changes has no point of change, and from a mean of 0 Otava cannot say by how much.
        if len(rows) >= RUNS_MIN and len({value for _, _, value in rows}) > 1:
            tables[name] = rows
    return tables


def write_inputs(tables: Mapping[str, Sequence[Row]], folder: Path) -> Path:
    """Write a CSV file for each figure and the configuration that names them; return the latter."""
    tests: dict[str, Any] = {}
    for test, rows in zip(_tests(tables), tables.values(), strict=True):
        path = folder / f"{test}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            unit = _unit(rows)
            csv.writer(file).writerows(
                [("time", "run", "value"), *((at, run, value / unit) for at, run, value in rows)]
            )
        tests[test] = {
            "type": "csv",
            "file": str(path),
            "time_column": "time",
            "attributes": ["run"],
            "metrics": {"value": {"column": "value"}},
        }
    config = folder / "otava.yaml"
    # JSON is YAML too.
    config.write_text(json.dumps({"tests": tests}, indent=1), encoding="utf-8")
    return config


def read_answer(answer: str, tables: Mapping[str, Sequence[Row]]) -> list[ChangePoint]:
    """Return the change points of Otava's JSON, a document a line for each test. Raises HeavyweatherError."""
    points = []
    names = dict(zip(_tests(tables), tables, strict=True))
    try:
        for line in answer.splitlines():
            for test, groups in json.loads(line).items() if line.strip() else ():
                unit = _unit(tables[names[test]])
                for group in groups:
                    for change in group["changes"]:
                        before, after = (unit * float(change[name]) for name in ("mean_before", "mean_after"))
                        run, began, p = group["attributes"]["run"], int(group["time"]), float(change["pvalue"])
                        points.append(ChangePoint(names[test], run, began, before, after, p))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HeavyweatherError(f"Otava's answer is not understood: {error}: {answer[:200]!r}") from error
    return points


def otava() -> list[str]:
    """Return the command that starts Otava. Raises EnvironmentMissing without uv."""
    boot = shutil.which("uv", path=str(_BOOT / ("Scripts" if sys.platform == "win32" else "bin")))
    if importlib.util.find_spec("uv") is not None:
        uv = [sys.executable, "-m", "uv"]
    elif found := boot or shutil.which("uv"):
        uv = [found]
    else:
        raise EnvironmentMissing("uv, which runs Apache Otava,", "`nox -s history` has it, or `pip install uv`")
    return [*uv, "tool", "run", "--quiet", "--python", sys.executable, "--from", _PACKAGE, "otava"]


def _unit(rows: Sequence[Row]) -> float:
    """Return what a figure's values are given to Otava in: it answers with six decimals."""
    return statistics.median(abs(value) for _, _, value in rows if value)


def _tests(tables: Mapping[str, object]) -> list[str]:
    """Return each figure's name as a test, which a file can have."""
    return [f"figure_{n}" for n in range(len(tables))]


def _start(command: Sequence[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False, timeout=_LIMIT_S
        )
    except OSError as error:
        raise EnvironmentMissing("Apache Otava", f"{command[0]} cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as late:
        raise HeavyweatherError(f"Apache Otava did not answer within {_LIMIT_S:.0f} s") from late
    if done.returncode == 0:
        return done.stdout
    errors = done.stderr.strip()[-500:]
    if "No solution found" in errors or "error: " in errors:
        raise EnvironmentMissing("Apache Otava", f"uv could not get it, which needs a network once: {errors}")
    raise HeavyweatherError(f"Apache Otava failed ({done.returncode}): {errors}")
