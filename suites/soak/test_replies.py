"""A minute of requests whose replies can be stale, doubled or lost while Redis is gone: none is (1-2 min).

With batches, streams, repeated writes, versioned values, and twenty subscribers that lose Redis on the way: each
question is answered once, each key takes effect once, each message is delivered once or reported missing, nothing is
stale, and no session is left open.
"""

from __future__ import annotations

import pytest

from chaos.profile import Play
from suites.soak.scenarios import REPLIES


@pytest.mark.soak
def test_replies(run: Play) -> None:
    """The healthy stack passes."""
    run(REPLIES)
