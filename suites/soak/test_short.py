"""A steady load with two faults: nothing leaks, nothing is lost, everything recovers.

Over some 25,000 requests, with PostgreSQL 200 ms further away for 10 s and Redis gone for 8 s: hardly an error outside
the faults, recovery within 10 s of each heal, no service growing by more than 1 KiB/request, no slower afterwards than
before, no acknowledged ledger write lost, no cache reply for another key.
"""

from __future__ import annotations

import pytest

from chaos.profile import Play
from suites.soak.scenarios import soak


@pytest.mark.soak
def test_short_soak(run: Play, tier: str) -> None:
    """The healthy stack passes."""
    run(soak(tier))
