"""The must-fail twin of a replay: a planted bug is found, and what a profile asks for and nobody saw is told."""

from __future__ import annotations

import dataclasses

import pytest

from chaos.profile import PROFILES, Play, load_profile
from harness.criteria import EventSeen
from harness.verdict import Verdict

# What no run of this profile can meet: somebody would have to kill the api.
UNSEEN = EventSeen(event="service_restarted", where={"service": "api"})


@pytest.mark.replay
@pytest.mark.twin
def test_a_breaker_that_stays_open_is_found_and_what_was_not_seen_is_told(run: Play) -> None:
    """The incident's own bug, planted: the cache is back, and its breaker is not. And one demand is not met."""
    profile = load_profile(PROFILES / "starved_cache.toml")
    decision = run(
        dataclasses.replace(profile, must_observe=(*profile.must_observe, UNSEEN)), defects=("breaker_stuck_open",)
    )
    failed = {finding.where for finding in decision.findings if finding.verdict is Verdict.FAIL}
    assert decision.verdict is Verdict.FAIL, decision.summary()
    assert "runtime.api.breaker_redis_state" in failed, decision.summary()
    (unseen,) = [
        finding for finding in decision.findings if finding.check == "must_observe" and "restarted" in finding.message
    ]
    assert unseen.verdict is Verdict.INCONCLUSIVE, decision.summary()
