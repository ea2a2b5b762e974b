"""Packets out of order or with a bit turned over: proved by netem's own count, elsewhere unsupported with the reason.

A real stack in containers mangles its packets in test_networks.py, where the kernel has netem.
"""

from __future__ import annotations

import math
import subprocess

import pytest

from chaos.faults.fault import Fault
from chaos.faults.links.latency import LatencyFault
from chaos.faults.packets import mangling
from chaos.faults.packets import netem as qdisc
from chaos.faults.packets.loss import PacketLossFault
from chaos.faults.packets.mangling import CorruptionFault, ReorderFault
from chaos.faults.packets.namespaces import find_command
from chaos.observed import Observed, State
from chaos.targets import Targets
from harness.errors import Unsupported
from harness.identity import ProcessId
from harness.records import ContainerRef
from tests.chaos.wires import wire

FAULTS: list[ReorderFault | CorruptionFault] = [ReorderFault("hop", 0.25, 0.05), CorruptionFault("hop", 0.01)]
BEFORE = Observed(State.ANSWERED, 0.001, amount=-1)


@pytest.fixture
def targets() -> Targets:
    local = wire(20000)
    contained = type(local)(local.port, local.run, local.canary, ContainerRef("toxiproxy", "c0ffee"))
    return Targets(wires={"local": local, "hop": contained})


@pytest.mark.parametrize("kind", [ReorderFault("local", 0.25, 0.05), CorruptionFault("local", 0.01)])
def test_the_loopback_is_everybodys(targets: Targets, kind: Fault) -> None:
    with pytest.raises(Unsupported, match=rf"{kind.kind}: .*share the loopback with everything else"):
        kind.aim(targets, "1-test")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
def test_a_kernel_without_netem_is_named(targets: Targets, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdisc, "unavailable", lambda: "no netem here")
    with pytest.raises(Unsupported, match=rf"{fault.kind}: no netem here"):
        fault.aim(targets, "1-test")


@pytest.mark.parametrize(
    ("now", "doubt"),
    [
        (Observed(State.ANSWERED, 0.05, amount=7), None),
        (Observed(State.HUNG, 2.0, amount=7), None),
        (Observed(State.ANSWERED, 0.05, amount=0), "no packet went through netem"),
        (Observed(State.ANSWERED, 0.05, amount=-1), "no packet went through netem"),
    ],
)
def test_packets_through_netem_prove_it(
    targets: Targets, monkeypatch: pytest.MonkeyPatch, now: Observed, doubt: str | None
) -> None:
    monkeypatch.setattr(qdisc, "unavailable", lambda: None)
    monkeypatch.setattr(mangling, "namespace_of", lambda ref, run: ProcessId(1, 0.0))  # noqa: ARG005 - as the real one
    aimed = CorruptionFault("hop", 0.01).aim(targets, "1-test")
    assert aimed.undo()[0].args == {"pid": 1, "created_s": 0.0}
    said = aimed.missing(BEFORE, now)
    assert (said is None) == (doubt is None)
    assert doubt is None or doubt in str(said)
    assert "not whole before" in str(aimed.missing(Observed(State.CLOSED), now))
    assert (aimed.remaining(BEFORE, now) is None) == (now.amount < 0)
    assert "hung" in str(aimed.remaining(BEFORE, Observed(State.HUNG, amount=-1)))


@pytest.mark.skipif(find_command("tc") is None, reason="no tc command (Debian's package: iproute2)")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
def test_tc_understands_what_is_asked_for(fault: ReorderFault | CorruptionFault) -> None:
    trial = ["unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", *fault.netem]
    done = subprocess.run(trial, capture_output=True, text=True, check=False)
    # What tc does not understand never comes as far as to the kernel.
    assert done.returncode == 0 or "Specified qdisc kind is unknown" in done.stderr


def test_parameters_are_checked() -> None:
    for delay_s in (-1.0, 0.0, 0.0009, 60.1, math.inf, math.nan):
        with pytest.raises(ValueError, match="delay_s = "):
            ReorderFault("h", 0.25, delay_s)
    for fraction in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="fraction = "):
            ReorderFault("h", fraction, 0.05)
        with pytest.raises(ValueError, match="fraction = "):
            CorruptionFault("h", fraction)


def test_a_device_has_one_discipline_and_a_hop_one_fault_of_its_packets() -> None:
    assert ReorderFault("g", 0.25, 0.05).claims & CorruptionFault("h", 0.01).claims
    assert PacketLossFault("h", 0.1).claims & CorruptionFault("h", 0.01).claims
    assert not PacketLossFault("g", 0.1).claims & CorruptionFault("h", 0.01).claims
    assert LatencyFault("h", 0.1).claims & ReorderFault("h", 0.25, 0.05).claims
