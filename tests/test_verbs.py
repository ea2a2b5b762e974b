"""The verbs of the Makefile: any of them is a session of the noxfile, and what is none gets one clear line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(("verb", "session"), [("soak-short", "soak_short"), ("test", "tests"), ("tests", "tests")])
def test_a_verb_is_the_session_of_its_name_with_the_options_given(tmp_path: Path, verb: str, session: str) -> None:
    nox = tmp_path / "nox"
    nox.write_text('#!/bin/sh\necho "$HW_VERB: $@"\n', encoding="utf-8")
    nox.chmod(0o755)
    command = ["make", "--no-print-directory", f"NOX={nox}", "-o", "requirements/boot.txt", verb, "ARGS=--seed '7 8'"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert made.stdout == f"{session}: -s {session} -- --seed 7 8\n"


def test_an_unknown_verb_is_answered_with_the_list() -> None:
    command = [sys.executable, "-m", "nox", "-s", "soak_shrt"]
    ended = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "HW_VERB": "soak_shrt"}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("no verb 'soak-shrt'; one of baseline, ")
    assert {"soak-short", "replay", "test", "test-all"} <= set(ended.stderr.split("one of ")[1].strip().split(", "))
