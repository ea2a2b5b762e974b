"""The squeeze: what is refused before anything is done, and what counts as there and as gone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.faults.services.lifecycle import KillFault
from chaos.faults.services.squeeze import SqueezeFault
from chaos.observed import Observed, State
from chaos.targets import Allowance, Targets
from chaos.undo import Step
from harness.errors import Unsupported

MIB = 1024 * 1024
MACHINE = Allowance(4.0, 8192 * MIB, 8192 * MIB)


@dataclass
class FakeContainer:
    """A container in memory; one that `dies` is killed by a squeeze of its memory."""

    name: str = "api"
    allowed: Allowance = field(default_factory=Allowance)
    dies: bool = False
    alive: bool = True

    def machine(self) -> Allowance:
        return MACHINE

    def allowance(self) -> Allowance:
        return self.allowed

    def squeeze(self, *, cpu_cores: float | None, memory_bytes: int | None) -> None:
        if cpu_cores is not None:
            self.allowed = replace(self.allowed, cpu_cores=cpu_cores)
        if memory_bytes is not None:
            self.allowed = replace(self.allowed, memory_bytes=memory_bytes, memory_and_swap_bytes=memory_bytes)
            self.alive = not self.dies

    def observe(self) -> Observed:
        return Observed(State.HUNG, detail="slow") if self.alive else Observed(State.GONE, detail="out of memory")

    def restore_step(self, former: Allowance, *, cpu: bool, memory: bool) -> Step:
        return Step("restore", {"former": former, "cpu": cpu, "memory": memory})

    def start_step(self) -> Step:
        return Step("start", {})


def targets(container: FakeContainer) -> Targets:
    return Targets(containers={container.name: container}, spared={"toxiproxy": "it is the instrument"})


@pytest.mark.parametrize(
    ("cores", "memory", "key"),
    [
        (None, None, "cpu_cores"),
        *((cores, None, "cpu_cores") for cores in (-1.0, 0.0, 0.009, math.inf, math.nan)),
        *((None, memory, "memory_bytes") for memory in (-1.0, 0.0, 6 * MIB - 1, math.inf, math.nan)),
    ],
)
def test_what_no_engine_would_take_is_refused(cores: float | None, memory: float | None, key: str) -> None:
    with pytest.raises(ValueError, match=key):
        SqueezeFault("api", cores, memory)


@pytest.mark.parametrize(
    ("former", "fault"),
    [
        (Allowance(), SqueezeFault("api", cpu_cores=4.0)),
        (Allowance(), SqueezeFault("api", memory_bytes=8192 * MIB)),
        (Allowance(cpu_cores=0.5), SqueezeFault("api", cpu_cores=0.5, memory_bytes=64 * MIB)),
        (Allowance(memory_bytes=64 * MIB), SqueezeFault("api", cpu_cores=0.1, memory_bytes=65 * MIB)),
    ],
)
def test_to_no_less_than_it_has_is_no_squeeze(former: Allowance, fault: SqueezeFault) -> None:
    with pytest.raises(Unsupported, match=r"squeeze on api: .* are no less than the .* that it has"):
        fault.aim(targets(FakeContainer(allowed=former)), "f1")


def test_where_there_are_no_containers_the_reason_is_told() -> None:
    lacking = Targets(lacking={"squeeze": "local processes have no engine that could limit them"})
    with pytest.raises(Unsupported, match="squeeze on api: local processes have no engine"):
        SqueezeFault("api", cpu_cores=0.5).aim(lacking, "f1")
    with pytest.raises(Unsupported, match="squeeze on toxiproxy: it is the instrument"):
        SqueezeFault("toxiproxy", cpu_cores=0.5).aim(targets(FakeContainer()), "f1")


@given(
    cores=st.none() | st.floats(0.01, 3.9),
    memory=st.none() | st.integers(6 * MIB, 8191 * MIB),
    former=st.sampled_from([Allowance(), MACHINE]),
)
def test_it_is_there_once_squeezed_and_gone_once_restored(
    cores: float | None, memory: int | None, former: Allowance
) -> None:
    if cores is None and memory is None:
        return
    container = FakeContainer(allowed=former)
    fault = SqueezeFault("api", cores, memory)
    aimed = fault.aim(targets(container), "f1")
    before = aimed.observe()
    assert aimed.missing(before, before) is not None
    assert aimed.remaining(before, before) is None
    aimed.inject()
    now = aimed.observe()
    assert aimed.missing(before, now) is None
    assert str(now) in str(aimed.remaining(before, now))
    container.allowed = former
    assert aimed.remaining(before, aimed.observe()) is None


def test_the_parts_that_were_not_squeezed_are_left_alone() -> None:
    former = Allowance(memory_bytes=64 * MIB, memory_and_swap_bytes=128 * MIB)
    (restore,) = SqueezeFault("api", cpu_cores=0.5).aim(targets(FakeContainer(allowed=former)), "f1").undo()
    assert dict(restore.args) == {"former": former, "cpu": True, "memory": False}


def test_one_that_dies_of_it_is_no_proof_and_is_started_again_with_all_it_had() -> None:
    container = FakeContainer(dies=True)
    aimed = SqueezeFault("api", memory_bytes=64 * MIB).aim(targets(container), "f1")
    before = aimed.observe()
    steps = aimed.undo()
    aimed.inject()
    doubt = aimed.missing(before, aimed.observe())
    assert doubt == "to be allowed 67108864 bytes, but it was gone (out of memory)"
    assert [step.action for step in reversed(steps)] == ["restore", "start"]


def test_cores_and_memory_may_be_squeezed_at_once_but_not_while_it_may_die_otherwise() -> None:
    cores, memory = SqueezeFault("api", cpu_cores=0.5), SqueezeFault("api", memory_bytes=64 * MIB)
    assert not cores.claims & memory.claims
    assert all(squeeze.claims & KillFault("api").claims for squeeze in (cores, memory))
