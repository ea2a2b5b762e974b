"""Draw a run again, from its folder alone: `python -m reports [RUN]`.

`python -m reports history` sets runs side by side, `python -m reports baseline
NAME [RUN]` accepts one as normal.
"""

from __future__ import annotations

import argparse
import sys
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness import journal
from harness.errors import HeavyweatherError, InputError
from harness.root import RUNS
from reports.history import baselines
from reports.history import table as history
from reports.write import write_reports

BASELINES = baselines.FOLDER


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the first argument says and return the exit code: 2 when there is no such run or it cannot be read."""
    given = [*(sys.argv[1:] if arguments is None else arguments)]
    command = _COMMANDS.get(given[0]) if given else None
    try:
        return command(given[1:]) if command else _draw(given)
    except (HeavyweatherError, OSError) as error:
        print(f"reports: {error}", file=sys.stderr)
        return 2


def _draw(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    parser.add_argument("run", nargs="?", help="a run folder or a run id (default: the newest run)")
    parser.add_argument("--open", action="store_true", help="show the page in a browser")
    options = parser.parse_args(arguments)
    page = write_reports(find_run(options.run, RUNS))
    print(page)
    if options.open:
        webbrowser.open(page.resolve().as_uri())
    return 0


def _history(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m reports history", description=history.__doc__)
    history.add_options(parser)
    for n, part in enumerate(history.history_text(parser.parse_args(arguments), RUNS)):
        print(f"\n{part}" if n else part)
    return 0


def _baseline(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m reports baseline", description=baselines.__doc__)
    parser.add_argument("name", help="what `--baseline` will call it")
    parser.add_argument("run", nargs="?", help="a run folder or a run id (default: the newest run)")
    options = parser.parse_args(arguments)
    print(baselines.save_baseline(options.name, find_run(options.run, RUNS), BASELINES))
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


_COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {"history": _history, "baseline": _baseline}

if __name__ == "__main__":
    sys.exit(main())
