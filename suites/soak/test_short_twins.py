"""The short soak's must-fail twins: against a planted defect the same scenario goes red, for its own reason."""

from __future__ import annotations

import pytest

from chaos.scenario import Play
from harness.verdict import Verdict
from suites.soak.scenarios import SHORT


@pytest.mark.soak
@pytest.mark.twin
@pytest.mark.parametrize(
    ("defect", "check", "where"),
    [
        ("leak_memory", "memory_growth", "api"),
        ("lost_write", "acknowledged_writes", "ledger"),
        ("foreign_reply", "reply_keys", "replies"),
    ],
)
def test_short_soak_catches(run: Play, defect: str, check: str, where: str) -> None:
    """The defect is found by the check that is there for it, and named."""
    decision = run(SHORT, defects=(defect,))
    failed = {(f.check, f.where) for f in decision.findings if f.verdict is Verdict.FAIL}
    assert decision.verdict is Verdict.FAIL, decision.summary()
    assert (check, where) in failed, decision.summary()
