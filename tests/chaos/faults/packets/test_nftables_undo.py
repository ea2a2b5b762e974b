"""The step that deletes a table: ours alone, however often. What a table does is shown in test_firewall.py."""

from __future__ import annotations

import os
import subprocess

import pytest

from chaos.faults.packets.nftables import Drop, Table, table_name
from chaos.healing.actions import ACTIONS
from chaos.undo import Step, undo
from harness.errors import HealFailed
from tests.chaos.rounds import as_from_the_ledger
from tests.chaos.wires import skip_without_firewall

# The tables of the whole machine are looked at.
pytestmark = pytest.mark.apart("chaos/faults/packets")


def test_a_table_is_deleted_however_often() -> None:
    skip_without_firewall()
    table = Table(table_name(f"test-{os.getpid()}", "delete"))
    steps = as_from_the_ledger([table.step()])
    undo(steps, ACTIONS)
    table.create("test", 1, [Drop("upstream")])
    assert "is still there" in str(ACTIONS["nft.delete"].remaining(steps[0].args))
    for _ in range(2):
        undo(steps, ACTIONS)
        assert not table.exists()


@pytest.mark.parametrize(("family", "name"), [("ip", "heavyweather_x"), ("inet", "filter"), ("inet", "firewalld")])
def test_a_table_that_is_not_ours_is_refused(family: str, name: str) -> None:
    with pytest.raises(HealFailed, match=f"{family} {name} is no table of ours"):
        undo([Step("nft.delete", {"family": family, "table": name})], ACTIONS)


def test_a_strangers_table_is_still_there_afterwards() -> None:
    skip_without_firewall()
    name = f"stranger_{os.getpid()}"
    subprocess.run(["nft", f"add table inet {name}"], check=True)
    try:
        with pytest.raises(HealFailed):
            undo([Step("nft.delete", {"family": "inet", "table": name})], ACTIONS)
        assert f"table inet {name}" in subprocess.check_output(["nft", "list", "tables"], text=True)
    finally:
        subprocess.run(["nft", f"delete table inet {name}"], check=True)
