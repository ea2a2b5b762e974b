"""The step that takes a discipline away: only in a namespace. What it does there is shown in test_qdisc.py."""

from __future__ import annotations

import pytest

from chaos.healing.actions import ACTIONS
from chaos.undo import Step, undo
from harness.errors import HealFailed


def test_our_own_devices_are_never_touched() -> None:
    with pytest.raises(HealFailed, match="names no namespace"):
        undo([Step("qdisc.delete", {})], ACTIONS)
