"""The short soak: the healthy stack passes."""

from __future__ import annotations

import pytest

from chaos.profile import Play
from harness.verdict import Verdict
from suites.soak.scenarios import SHORT


@pytest.mark.soak
def test_short_soak(run: Play) -> None:
    """Two faults on the way, nothing leaks, nothing is lost, everything recovers."""
    decision = run(SHORT)
    assert decision.verdict is Verdict.PASS, decision.summary()
