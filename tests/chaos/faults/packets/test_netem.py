"""Queueing disciplines in a real namespace; where the kernel has no netem, with a leaf that it has."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.faults.packets import netem as qdisc
from chaos.faults.packets.namespaces import find_command
from chaos.faults.packets.netem import Mangling
from chaos.healing.actions import ACTIONS
from chaos.observed import State
from chaos.undo import undo
from harness.errors import InjectionFailed
from harness.identity import ProcessId
from tests.chaos.rounds import as_from_the_ledger
from tests.chaos.wires import Place, place_of_its_own
from tests.processes import stranger_to

# Lets everything through, and is in every kernel that has disciplines at all.
LEAF = ("pfifo", "limit", "1000")


@pytest.fixture(scope="module")
def place(folder: Path) -> Iterator[Place]:
    if find_command("tc") is None:
        pytest.skip("no tc command (Debian's package: iproute2)")
    with place_of_its_own(folder) as made:
        yield made


def inside(place: Place, *command: str) -> str:
    entered = ["nsenter", f"--net=/proc/{place.namespace.pid}/ns/net", *command]
    return subprocess.run(entered, capture_output=True, text=True, check=True).stdout


def test_what_comes_from_the_port_goes_through_and_nothing_else(place: Place) -> None:
    mangling = Mangling(place.namespace)
    assert (mangling.exists(), mangling.passed()) == (False, None)
    for port, some in ((place.port, True), (place.port + 1, False)):
        mangling.create(port, LEAF)
        try:
            assert place.canary.observe().state is State.ANSWERED
            assert bool(mangling.passed()) == some
        finally:
            undo(as_from_the_ledger([mangling.step()]), ACTIONS)
        assert not mangling.exists()
    undo([mangling.step()], ACTIONS)
    assert place.canary.observe().state is State.ANSWERED


def test_a_leaf_that_is_none_leaves_half_of_it_which_the_undoing_takes_away(place: Place) -> None:
    mangling = Mangling(place.namespace)
    with pytest.raises(InjectionFailed, match="no_such_thing not set: "):
        mangling.create(place.port, ["no_such_thing"])
    assert mangling.exists()
    assert mangling.passed() is None
    undo([mangling.step()], ACTIONS)
    assert not mangling.exists()


def test_a_discipline_of_somebody_else_is_neither_replaced_nor_deleted(place: Place) -> None:
    inside(place, "tc", "qdisc", "add", "dev", "eth0", "root", "handle", "7:", "htb")
    mangling = Mangling(place.namespace)
    try:
        with pytest.raises(InjectionFailed, match="not set: "):
            mangling.create(place.port, LEAF)
        undo([mangling.step()], ACTIONS)
        assert "htb 7: root" in inside(place, "tc", "qdisc", "show", "dev", "eth0")
    finally:
        inside(place, "tc", "qdisc", "del", "dev", "eth0", "root")


def test_a_namespace_that_is_gone_holds_nothing(place: Place) -> None:
    former = Mangling(stranger_to(place.namespace))
    assert (former.exists(), former.passed()) == (False, None)
    undo([former.step()], ACTIONS)
    with pytest.raises(InjectionFailed, match="namespace is gone"):
        former.create(place.port, LEAF)
    unknown = Mangling(ProcessId(2**22 + 1, 0.0))
    with pytest.raises(InjectionFailed, match="devices of the container cannot be listed"):
        unknown.create(place.port, LEAF)


@pytest.mark.parametrize(
    ("platform", "missing", "reason"),
    [
        ("darwin", "", "which only Linux has"),
        ("linux", "tc", "tc is not here (Debian's package: iproute2)"),
        ("linux", "unshare", "unshare is not here (Debian's package: util-linux)"),
    ],
)
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, platform: str, missing: str, reason: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(qdisc, "find_command", lambda name: None if name == missing else name)
    assert reason in str(qdisc.unavailable.__wrapped__())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has netem")
def test_whether_there_is_netem_is_found_out_by_trying() -> None:
    trial = ["unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1"]
    done = subprocess.run(trial, capture_output=True, text=True, check=False)
    reason = qdisc.unavailable()
    assert (reason is None) == (done.returncode == 0)
    assert reason is None or done.stderr.splitlines()[0] in reason
