"""The replies suite finds eight planted defects at once, each by the check for it."""

from __future__ import annotations

import pytest

from chaos.profile import Play
from harness.verdict import Verdict
from suites.soak.scenarios import REPLIES

# Seldom enough that steady state is reached.
FOUND_BY = {
    "stale_reply": "stale_replies",
    "double_reply": "terminal_replies",
    "skipped_message:300": "sequences",
    "doubled_message:400": "sequences",
    "orphan_session": "sessions",
    "double_effect": "effects",
    # Not as often as the effect that comes twice: what is rolled back has none.
    "lost_write:41": "acknowledged_writes",
    "foreign_reply:100": "reply_keys",
}


@pytest.mark.soak
@pytest.mark.twin
def test_replies_catch(run: Play) -> None:
    """Every check fails, and says what it observed."""
    decision = run(REPLIES, defects=tuple(FOUND_BY))
    failed = {finding.check: finding.figures for finding in decision.findings if finding.verdict is Verdict.FAIL}
    assert set(FOUND_BY.values()) <= set(failed)
    assert failed["sequences"]["missing_without_notice"]
    assert failed["sequences"]["duplicated"]
