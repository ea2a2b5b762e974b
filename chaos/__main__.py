"""`python -m chaos VERB`: puts back by hand what runs left broken, or says what there is.

Exit codes: 0 clean, 1 something is left broken (residue), 2 something could not be undone, or an error, in one line.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from chaos.healing.heal import INSIST_S, describe_residue, heal_all, unknown_tables
from harness.errors import HeavyweatherError, explain
from harness.root import RUNS
from harness.signals import handle_inherited


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code; what goes wrong is said in one line on stderr."""
    handle_inherited()
    options = _parser().parse_args(arguments)
    try:
        code = _residue(options.runs) if options.verb == "residue" or options.check else _heal(options.runs)
        for table in unknown_tables(options.runs):
            print(f"unknown nftables table, left in place: {table}", file=sys.stderr)
        return code  # noqa: TRY300 - what is said above may fail, too
    except HeavyweatherError as error:
        print(explain(error), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; calling it again goes on", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    heal = verbs.add_parser("heal", help="undo what runs that are gone left broken")
    heal.add_argument("--check", action="store_true", help="only say what there is, as `residue` does")
    residue = verbs.add_parser("residue", help="say what runs that are gone left broken; change nothing")
    for verb in (heal, residue):
        verb.add_argument("--runs", type=Path, default=RUNS, help="folder of all run folders (default: reports/runs)")
    return parser


def _heal(runs: Path) -> int:
    healing = heal_all(runs, limit_s=INSIST_S)
    for line in healing.put_back:
        print(f"put back {line}")
    for line in healing.resisting:
        print(f"could not undo: {line}", file=sys.stderr)
    if not healing.put_back and not healing.resisting:
        print("nothing to put back")
    return 2 if healing.resisting else 0


def _residue(runs: Path) -> int:
    left = describe_residue(runs)
    print(*left or ["nothing is left broken"], sep="\n")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
