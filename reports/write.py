"""Writes all three reports of a run folder; the one entry for the runner and for the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reports import junit, profile_json
from reports.model import read_run


def write_reports(run_folder: Path) -> Path:
    """Write `junit.xml`, `profile.json` and `report.html` into a run folder and return the page's path.

    The page comes last, so that a CI job has its file even if drawing fails.
    Raises JournalError when the folder holds no readable run.
    """
    from reports.page import html  # noqa: PLC0415 - Bokeh takes a second to import, which a run need not wait for to begin
    from reports.page.curves import read_panels  # noqa: PLC0415 - likewise

    view = read_run(run_folder)
    _whole(run_folder / junit.FILE_NAME, lambda draft: junit.write_junit(view, draft))
    _whole(run_folder / profile_json.FILE_NAME, lambda draft: profile_json.write_profile(view, run_folder, draft))
    page = html.render(view, read_panels(run_folder))
    return _whole(run_folder / html.FILE_NAME, lambda draft: draft.write_text(page, encoding="utf-8", errors="replace"))


def _whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file whole or not at all: a reader meanwhile gets the old one."""
    draft = path.with_suffix(f"{path.suffix}.part")
    write(draft)
    return draft.replace(path)
