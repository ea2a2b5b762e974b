"""A chaos profile, or a recorded run once more: `make replay ARGS=PROFILE` (1-3 min each).

What the profile says must be observed was observed, and recovery, replies and acknowledged writes kept its budget.
[chaos/README.md](../chaos/README.md) has the format, and `chaos/profiles/` five to begin with.
"""

from __future__ import annotations

import pytest

from chaos.profile import Play, Scenario


@pytest.mark.replay
def test_replay(run: Play, profile: Scenario) -> None:
    """The profile that the command line names passes."""
    run(profile)
