"""What heals when all else is gone starts at once: it loads neither numbers nor models, and little besides."""

import json
import subprocess
import sys
import time

import pytest

from harness.root import ROOT

HEAVY = {"numpy", "scipy", "pydantic", "docker", "bokeh", "pytest", "requests"}
WATCHERS = ["chaos.healing.guardian_process", "infra.local.reaper"]
LOADED = "import sys, json, {}; print(json.dumps(sorted(sys.modules)))"


def loaded(module: str) -> set[str]:
    """Return the modules that a process has which imports one of ours."""
    command = [sys.executable, "-c", LOADED.format(module)]
    return set(json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout))


@pytest.mark.parametrize("module", WATCHERS)
def test_a_watcher_loads_nothing_heavy(module: str) -> None:
    began_s = time.monotonic()
    names = loaded(module)
    print(f"{module}: {time.monotonic() - began_s:.2f} s, {len(names)} modules")  # noqa: T201 - a figure, not a rule
    assert module in names
    assert not HEAVY & names


def test_what_undoes_faults_imports_no_kind_of_fault() -> None:
    names = loaded("chaos.healing.actions")
    assert "chaos.healing.actions" in names
    assert not {"chaos.faults.kinds", "chaos.faults.fault"} & names


def test_what_is_heavy_would_be_seen() -> None:
    assert {"pydantic", "harness.tables"} <= loaded("harness.tables")
