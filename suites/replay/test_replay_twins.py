"""A replay finds a planted bug (`breaker_stuck_open`), and says INCONCLUSIVE of what the profile requires and lacks."""

from __future__ import annotations

import dataclasses

import pytest

from chaos.profile import PROFILES, Play, load_profile
from harness.criteria import EventSeen
from harness.verdict import Verdict

# No run of this profile can meet it: nothing restarts the api.
UNSEEN = EventSeen(event="service_restarted", where={"service": "api"})


@pytest.mark.replay
@pytest.mark.twin
def test_a_breaker_that_stays_open_is_found_and_a_missing_observation_reported(run: Play) -> None:
    """The incident's own bug, planted: the cache is back, and its breaker stays open. And one precondition fails."""
    profile = load_profile(PROFILES / "starved_cache.toml")
    decision = run(
        dataclasses.replace(profile, must_observe=(*profile.must_observe, UNSEEN)), defects=("breaker_stuck_open",)
    )
    failed = {finding.where for finding in decision.findings if finding.verdict is Verdict.FAIL}
    assert decision.verdict is Verdict.FAIL
    assert "runtime.api.breaker_redis_state" in failed
    (unseen,) = [f for f in decision.findings if f.check == "must_observe" and "restarted" in f.message]
    assert unseen.verdict is Verdict.INCONCLUSIVE
