"""The step that connects a container: what it must say. What it does is shown on a real stack, in test_networks.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.faults.packets.networks import Membership
from chaos.healing.actions import ACTIONS
from chaos.undo import Step, undo
from harness.errors import HealFailed
from tests.chaos.rounds import as_from_the_ledger

ARGS = {"service": "redis", "engine": "", "container": "c", "run": "r", "network": "n", "address": ""}


@given(st.lists(st.text()), st.text(), st.text())
def test_a_place_comes_back_from_the_ledger(aliases: list[str], network: str, address: str) -> None:
    there = Membership.of({**ARGS, "network": network, "aliases": aliases, "address": address})
    (step,) = as_from_the_ledger([Step("network.connect", there.args())])
    assert Membership.of(step.args) == there


@pytest.mark.parametrize("aliases", ["redis", None, 7])
def test_names_that_are_no_list_are_refused(aliases: object) -> None:
    with pytest.raises(HealFailed, match=r"aliases = .*: must be a list"):
        undo([Step("network.connect", {**ARGS, "aliases": aliases})], ACTIONS)
