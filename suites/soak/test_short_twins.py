"""The short soak's must-fail twins: against a planted defect the same scenario goes red, for its own reason."""

from __future__ import annotations

import pytest

from chaos.scenario import Play
from harness.verdict import Verdict
from suites.soak.scenarios import SHORT

# What no status shows can be planted together; a leak needs the run for itself.
FOUND_BY = {
    "leak_memory": {("memory_growth", "api")},
    "lost_write foreign_reply": {("acknowledged_writes", "ledger"), ("reply_keys", "replies")},
}


@pytest.mark.soak
@pytest.mark.twin
@pytest.mark.parametrize("defects", FOUND_BY)
def test_short_soak_catches(run: Play, defects: str) -> None:
    """Each defect is found by the check that is there for it, and named."""
    decision = run(SHORT, defects=tuple(defects.split()))
    failed = {(f.check, f.where) for f in decision.findings if f.verdict is Verdict.FAIL}
    assert decision.verdict is Verdict.FAIL, decision.summary()
    assert FOUND_BY[defects] <= failed, decision.summary()
