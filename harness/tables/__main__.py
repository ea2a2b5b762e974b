"""Refresh the generated parts of files: `python -m harness.tables FILE...`; `--check` only tells which are old."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.tables.docs import refreshed


def main(arguments: Sequence[str]) -> int:
    """Write the files that are old, or only name them; return 1 when told only to check and any is."""
    parser = argparse.ArgumentParser(prog="python -m harness.tables", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is old")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args(arguments)
    old = [(path, text) for path in options.files if (text := refreshed(path)) != path.read_text(encoding="utf-8")]
    for path, text in old:
        print(f"{path}: {'old' if options.check else 'written'}")
        if not options.check:
            path.write_text(text, encoding="utf-8")
    return int(options.check and bool(old))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
