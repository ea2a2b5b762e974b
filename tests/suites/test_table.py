"""The tables of suites: as the READMEs have them, and of the same sessions as the noxfile."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from harness.root import ROOT
from harness.tables.docs import refreshed
from suites.table import proofs, sessions, verbs


@pytest.mark.parametrize("name", ["README.md", "suites/README.md"])
def test_the_readmes_have_the_tables_as_they_would_be_written_now(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "<!-- generated: suites.table:" in text
    assert refreshed(ROOT / name) == text, "`make docs` writes them"


def test_every_session_is_a_verb_and_every_test_file_a_row() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "nox", "--list"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    known = dict(re.findall(r"^[-*] (\w+) -> (.*)$", listed.stdout, re.MULTILINE))
    rows = {row.split("`")[1]: row for row in verbs().splitlines()[2:]}
    for session, path in sessions():
        assert known[session].removesuffix(".") in rows.pop(f"make {session.replace('_', '-')}")
        assert f"`{path.parent.name}/{path.name}`" in proofs()
    assert set(rows) == {"make twins"}
