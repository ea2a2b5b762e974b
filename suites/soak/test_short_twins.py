"""The short soak's must-fail twin: against a planted leak the same scenario goes red, for its own reason."""

from __future__ import annotations

import pytest

from chaos.profile import Play
from harness.verdict import Verdict
from suites.soak.scenarios import SHORT


@pytest.mark.soak
@pytest.mark.twin
def test_short_soak_catches_a_leak(run: Play) -> None:
    """The leak is found by the check that is there for it, and named; it needs a run for itself."""
    decision = run(SHORT, defects=("leak_memory",))
    failed = {(f.check, f.where) for f in decision.findings if f.verdict is Verdict.FAIL}
    assert decision.verdict is Verdict.FAIL, decision.summary()
    assert ("memory_growth", "api") in failed, decision.summary()
