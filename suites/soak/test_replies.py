"""A minute of replies: each question answered once, by what it asked for, and by nothing that was replaced."""

from __future__ import annotations

import pytest

from chaos.profile import Play
from harness.verdict import Verdict
from suites.soak.scenarios import REPLIES


@pytest.mark.soak
def test_replies(run: Play) -> None:
    """Subscribers lose their broker and come back; nothing is stale, doubled, silently lost or left open."""
    decision = run(REPLIES)
    assert decision.verdict is Verdict.PASS, decision.summary()
