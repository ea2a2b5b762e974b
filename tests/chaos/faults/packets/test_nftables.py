"""Tables of dropped packets on the real kernel: what each drops, and whom it leaves alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.canary.canary import Canary
from chaos.direction import Stream
from chaos.faults.packets import nftables as firewall
from chaos.faults.packets.nftables import SYN, Drop, Table, share, table_name
from chaos.observed import State
from harness.errors import InjectionFailed
from harness.identity import ProcessId
from tests.chaos.conftest import Toxiproxy
from tests.chaos.wires import RUN, Place, place_of_its_own, skip_without_firewall
from tests.processes import stranger_to

# The tables of the whole machine are looked at.
pytestmark = pytest.mark.apart("chaos/faults/packets")

STRANGER = "heavyweatherless_stranger"


@pytest.fixture(scope="module")
def place(folder: Path) -> Iterator[Place]:
    with place_of_its_own(folder) as made:
        yield made


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    skip_without_firewall()
    made = Table(table_name(f"{RUN}-{os.getpid()}", request.node.name))
    yield made
    made.delete()
    assert not made.exists()


def seen(port: int) -> State:
    return Canary("127.0.0.1", port, "redis", 0.3).observe().state


@given(st.text(), st.text())
def test_a_tables_name_is_one_that_nft_takes(run: str, fault: str) -> None:
    assert re.fullmatch(r"heavyweather_[a-z0-9_]*[a-z0-9]", table_name(run, fault))
    assert len(table_name(run, fault)) < 80


@given(st.lists(st.tuples(st.text("ab/"), st.text("ab/")), min_size=2, max_size=2, unique=True))
def test_no_two_faults_share_a_table(two: list[tuple[str, str]]) -> None:
    assert table_name(*two[0]) != table_name(*two[1])


@given(st.floats(0, 1))
def test_a_share_is_the_nearest_of_ten_thousand(fraction: float) -> None:
    part = int(share(fraction).rpartition(" ")[2])
    assert abs(part / 10_000 - fraction) <= 0.5001 / 10_000


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_what_is_dropped_hangs_on_its_port_alone(
    table: Table, server: Toxiproxy, redis_port: int, stream: Stream
) -> None:
    door = server.doors["redis"]
    assert (table.exists(), table.dropped()) == (False, None)
    table.create(RUN, door, [Drop(stream)])
    assert (table.exists(), table.dropped()) == (True, 0)
    assert seen(redis_port) is State.ANSWERED
    assert table.dropped() == 0
    assert seen(door) is State.HUNG
    assert (table.dropped() or 0) > 0
    table.delete()
    assert seen(door) is State.ANSWERED
    table.delete()


def test_a_table_that_is_there_is_not_made_again(table: Table, server: Toxiproxy) -> None:
    table.create(RUN, server.doors["dead"], [Drop("upstream")])
    with pytest.raises(InjectionFailed, match="File exists"):
        table.create(RUN, server.doors["redis"], [Drop("upstream")])
    assert seen(server.doors["redis"]) is State.ANSWERED


def test_a_table_with_a_rule_that_is_none_is_not_made_at_all(table: Table, server: Toxiproxy) -> None:
    with pytest.raises(InjectionFailed, match="not made: nft: "):
        table.create(RUN, server.doors["redis"], [Drop("upstream"), Drop("downstream", "no such condition")])
    assert not table.exists()


def test_rules_are_replaced_only_where_there_are_some(table: Table, server: Toxiproxy) -> None:
    door = server.doors["redis"]
    with pytest.raises(InjectionFailed, match="No such file"):
        table.replace(RUN, door, [Drop("upstream")])
    table.create(RUN, door, [Drop("upstream")])
    table.replace(RUN, server.doors["dead"], [Drop("upstream")])
    assert seen(door) is State.ANSWERED


def test_a_strangers_table_survives(table: Table, server: Toxiproxy) -> None:
    made = f"add table inet {STRANGER}; add chain inet {STRANGER} c; add rule inet {STRANGER} c counter"
    subprocess.run(["nft", made], check=True)
    try:
        before = subprocess.check_output(["nft", "list", "ruleset"])
        table.create(RUN, server.doors["dead"], [Drop("upstream", SYN), Drop("downstream", share(0.5))])
        assert STRANGER not in " ".join(firewall.residue())
        table.delete()
        assert subprocess.check_output(["nft", "list", "table", "inet", STRANGER]) in before
    finally:
        subprocess.run(["nft", "delete", "table", "inet", STRANGER], check=True)


def test_what_is_left_behind_is_told_with_its_run(table: Table, server: Toxiproxy) -> None:
    table.create('run "7"; drop', server.doors["dead"], [Drop("upstream", SYN)])
    assert f"nftables table inet {table.name} (run run__7___drop)" in firewall.residue()
    table.delete()
    assert table.name not in " ".join(firewall.residue())


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_a_namespaces_packets_are_dropped_in_there(place: Place, stream: Stream) -> None:
    table = Table(table_name(RUN, stream), place.namespace)
    table.create(RUN, place.port, [Drop(stream)])
    assert table.name not in " ".join(firewall.residue())
    assert place.canary.observe().state is State.HUNG
    assert (table.dropped() or 0) > 0
    table.delete()
    assert place.canary.observe().state is State.ANSWERED
    assert table.dropped() is None


def test_a_namespace_whose_process_is_another_now_is_not_entered(place: Place) -> None:
    former = Table(table_name(RUN, "former"), stranger_to(place.namespace))
    assert (former.exists(), former.dropped()) == (False, None)
    former.delete()
    with pytest.raises(InjectionFailed, match="namespace is gone"):
        former.create(RUN, place.port, [Drop("upstream")])
    assert firewall.unavailable(former.namespace) == "the container's namespace is gone"
    assert place.canary.observe().state is State.ANSWERED


@pytest.mark.parametrize(
    ("platform", "missing", "within", "reason"),
    [
        ("win32", "", None, "which only Linux has"),
        ("linux", "nft", None, "Debian's package: nftables"),
        ("linux", "nsenter", ProcessId(1, 0.0), "Debian's package: util-linux"),
    ],
)
def test_what_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, platform: str, missing: str, within: ProcessId | None, reason: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(firewall, "find_command", lambda name: None if name == missing else name)
    assert reason in str(firewall.unavailable.__wrapped__(within))
    if not within:
        firewall.unavailable.cache_clear()
        assert firewall.residue() == []
        firewall.unavailable.cache_clear()


def test_without_the_permission_the_reason_is_the_kernels() -> None:
    skip_without_firewall()
    asked = "from chaos.faults.packets.nftables import *; print(unavailable(None)); print(residue())"
    without = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", sys.executable, "-c", asked]
    said = subprocess.run(without, capture_output=True, text=True, check=True).stdout
    assert "not permitted" in said
    assert said.splitlines()[1:] == ["[]"]


def test_the_trial_leaves_nothing() -> None:
    skip_without_firewall()
    assert firewall.unavailable.__wrapped__(None) is None
    assert table_name("", "trial") not in subprocess.check_output(["nft", "list", "tables"], text=True)
