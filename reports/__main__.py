"""`python -m reports [RUN]`: draw a run again, from its folder alone."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from harness import journal
from harness.errors import HeavyweatherError, InputError
from reports.write import write_reports

RUNS = Path(__file__).with_name("runs")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the reports and return the exit code: 2 when there is no such run or it cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m reports", description="Draw a run's reports again.")
    parser.add_argument("run", nargs="?", help="a run folder or a run id (default: the newest run)")
    parser.add_argument("--open", action="store_true", help="show the page in a browser")
    options = parser.parse_args(arguments)
    try:
        page = write_reports(find_run(options.run, RUNS))
    except (HeavyweatherError, OSError) as error:
        print(f"reports: {error}", file=sys.stderr)
        return 2
    print(page)
    if options.open:
        webbrowser.open(page.resolve().as_uri())
    return 0


def find_run(run: str | None, runs: Path) -> Path:
    """Return the folder of a run given as a folder, as an id under `runs`, or not at all: then the newest.

    Raises InputError when there is none. A folder without a journal is not a
    run: a stack that was only brought up leaves such a one.
    """
    if run is not None:
        for folder in (Path(run), runs / run):
            if (folder / journal.FILE_NAME).is_file():
                return folder
        raise InputError("command line", "RUN", run, f"must be a run folder, or the id of a run under {runs}")
    # A run id begins with the UTC time of its start, so that the newest sorts last.
    found = sorted(path.parent for path in runs.glob(f"*/{journal.FILE_NAME}"))
    if not found:
        raise InputError("command line", "RUN", "the newest", f"there is no run under {runs} yet")
    return found[-1]


if __name__ == "__main__":
    sys.exit(main())
