"""`python -m benchmarks NAME [OPTIONS]`: run one benchmark, print its table, write reports/bench/NAME.json.

Exit codes: 0 it ran, whether its goals hold or not; 1 it could not be run to its end; 2 the command line is wrong.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, cast

from benchmarks.rows import FOLDER, Row, table, write
from harness.errors import HeavyweatherError, InputError, explain

NAMES = ("load", "probes", "journal", "verdicts")


class Benchmark(Protocol):
    """What a benchmark's module has to have."""

    def rows(self, arguments: Sequence[str]) -> Iterator[Row]:
        """Read the options, measure, and yield each row once it is known."""


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER) -> int:
    """Run the benchmark that the first argument names with the rest as its options; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    name, *rest = [*(sys.argv[1:] if arguments is None else arguments)] or [""]
    if name in {"-h", "--help"}:
        print(f"{__doc__}\nNAME: {', '.join(NAMES)}")
        return 0
    rows: list[Row] = []
    try:
        # One by one: those that came before an error are shown all the same.
        for row in load(name).rows(rest):
            rows.append(row)  # noqa: PERF402 - as above
    except HeavyweatherError as error:
        if rows:
            print(table(rows))
        print(explain(error), file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        return 130
    print(table(rows))
    print(f"written to {write(name, rows, folder)}")
    return 0


def load(name: str) -> Benchmark:
    """Return the module of that name. Raises InputError, which tells the names there are."""
    if name not in NAMES:
        raise InputError("command line", "NAME", name, f"must be one of {', '.join(NAMES)}")
    return cast("Benchmark", importlib.import_module(f"benchmarks.{name}"))


if __name__ == "__main__":
    sys.exit(main())
