"""Write the generated parts of files again: `python -m harness.tables [FILE...]`; `--check` only names the old ones."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.tables.docs import refreshed


def main(arguments: Sequence[str]) -> int:
    """Write the files that are old, or only name them; return 1 when told only to check and any is."""
    parser = argparse.ArgumentParser(prog="python -m harness.tables", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is old")
    parser.add_argument("files", nargs="*", type=Path, help="by default all Markdown and JSON files that git knows")
    options = parser.parse_args(arguments)
    files = options.files or documents(Path.cwd())
    old = [(path, text) for path in files if (text := refreshed(path)) != path.read_text(encoding="utf-8")]
    for path, text in old:
        print(f"{path}: {'old' if options.check else 'written'}")
        if not options.check:
            path.write_text(text, encoding="utf-8")
    return int(options.check and bool(old))


def documents(root: Path) -> list[Path]:
    """Return the files below `root` that may have generated parts and that git would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md", "*.json"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split("\0")
    return [root / path for path in sorted(set(listed)) if path and (root / path).is_file()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
