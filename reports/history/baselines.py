"""Named baselines: the figures of a run that somebody accepted as normal, in a file to be committed and reviewed."""

from __future__ import annotations

import re
from pathlib import Path

from harness.comparison import FIGURES_NAME, Figures
from harness.errors import InputError, JournalError
from harness.root import ROOT

FOLDER = ROOT / "reports" / "baselines"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def baseline_path(name: str, folder: Path = FOLDER) -> Path:
    """Return where a baseline is kept. Raises InputError for what is no name."""
    if not _NAME.fullmatch(name):
        raise InputError("command line", "NAME", name, "must be up to 64 letters, digits, dots, dashes or underscores")
    return folder / f"{name}.json"


def save_baseline(name: str, run_folder: Path, folder: Path = FOLDER) -> Path:
    """Make a run the baseline of a name, in place of the one before, and return the file.

    Raises InputError where more is wrong with the run than that it is unlike earlier ones, or it left no figures.
    """
    path = baseline_path(name, folder)
    try:
        run = Figures.read(run_folder / FIGURES_NAME)
    except JournalError as error:
        raise InputError("command line", "RUN", str(run_folder), f"must have left its figures: {error}") from error
    if not run.acceptable:
        failed = ", ".join(run.failed)
        raise InputError(
            "command line", "RUN", run.run_id, f"must have passed, but for its trend; it did not: {failed}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    return run.write(path)


def load_baseline(name: str, folder: Path = FOLDER) -> Figures:
    """Return the baseline of a name. Raises InputError when there is none, or it is damaged."""
    path = baseline_path(name, folder)
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in folder.glob("*.json"))) or "none yet"
        rule = f"must be a baseline under {folder} (there are: {known}); `nox -s baseline -- {name}` saves one"
        raise InputError("command line", "--baseline", name, rule)
    try:
        return Figures.read(path)
    except JournalError as error:
        raise InputError("command line", "--baseline", name, str(error)) from error
