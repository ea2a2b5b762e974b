"""One profile, or one recorded run, played to its verdict: `--profile FILE`, a shipped name, or a run."""

from __future__ import annotations

import pytest

from chaos.profile import Play, Scenario
from harness.verdict import Verdict


@pytest.mark.replay
def test_replay(run: Play, profile: Scenario) -> None:
    """What it must have seen was seen, and what it may cost it did not exceed."""
    decision = run(profile)
    assert decision.verdict is Verdict.PASS, decision.summary()
