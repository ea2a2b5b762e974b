"""The short soak finds a leak that is planted (`leak_memory`), by the check for it."""

from __future__ import annotations

import pytest

from chaos.profile import Play
from harness.verdict import Verdict
from suites.soak.scenarios import SHORT


@pytest.mark.soak
@pytest.mark.twin
def test_short_soak_catches_a_leak(run: Play) -> None:
    """A leak needs a run for itself: other defects would hide in its growth."""
    decision = run(SHORT, defects=("leak_memory",))
    assert decision.verdict is Verdict.FAIL
    assert ("memory_growth", "api") in {(f.check, f.where) for f in decision.findings if f.verdict is Verdict.FAIL}
