"""Faults of a service: what each claims, does, must see, and puts back; on a service in memory, for every sight."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.faults.fault import Fault
from chaos.faults.services.lifecycle import KillFault, PauseFault, RestartFault, TerminateFault
from chaos.observed import Observed, State
from chaos.targets import Targets
from chaos.undo import Step
from harness.errors import Unsupported
from harness.records import ENDING

FAULTS: list[Fault] = [KillFault("redis"), TerminateFault("redis"), PauseFault("redis"), RestartFault("redis")]
WHOLE = Observed(State.RUNNING, detail="process 7", amount=100.0)
observations = st.builds(
    Observed, st.sampled_from(State), st.just(0.0), st.just("process 7"), st.sampled_from([100.0, 200.0])
)


@dataclass
class FakeService:
    """A service in memory, and all that was asked of it."""

    name: str = "redis"
    calls: list[str] = field(default_factory=list)
    observed: Observed = WHOLE

    def kill(self) -> None:
        self.calls.append("kill")

    def terminate(self, grace_s: float) -> None:
        self.calls.append(f"terminate {grace_s}")

    def pause(self) -> None:
        self.calls.append("pause")

    def start(self) -> None:
        self.calls.append("start")

    def observe(self) -> Observed:
        return self.observed

    def resume_step(self) -> Step:
        return Step("resume", {"service": self.name, "begun": self.observed.amount})

    def start_step(self) -> Step:
        return Step("start", {"service": self.name})


def targets(service: FakeService) -> Targets:
    return Targets(services={service.name: service}, spared={"toxiproxy": "it is the instrument"})


@pytest.mark.parametrize(
    ("fault", "calls", "undo"),
    [
        (KillFault("redis"), ["kill"], "start"),
        (TerminateFault("redis", grace_s=2.5), ["terminate 2.5"], "start"),
        (RestartFault("redis", grace_s=0.0), ["terminate 0.0", "start"], "start"),
        (PauseFault("redis"), ["pause"], "resume"),
    ],
)
def test_each_does_one_thing_and_says_before_what_puts_it_back(fault: Fault, calls: list[str], undo: str) -> None:
    service = FakeService()
    aimed = fault.aim(targets(service), "f1")
    steps = aimed.undo()
    assert service.calls == []
    assert [step.action for step in steps] == [undo]
    aimed.inject()
    assert service.calls == calls
    json.dumps([dict(step.args) for step in steps] + [fault.describe()])  # whatever cannot be written down raises


def test_a_pause_wakes_the_process_that_it_stopped_and_no_later_one() -> None:
    service = FakeService()
    aimed = PauseFault("redis").aim(targets(service), "f1")
    before = aimed.undo()
    service.observed = Observed(State.RUNNING, amount=200.0)
    assert aimed.undo() == before


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
@pytest.mark.parametrize(("target", "why"), [("toxiproxy", "it is the instrument"), ("kafka", "there are: redis")])
def test_what_must_not_or_cannot_be_broken_is_refused_with_the_reason(fault: Fault, target: str, why: str) -> None:
    with pytest.raises(Unsupported, match=f"{fault.kind} on {target}: .*{why}"):
        type(fault)(target).aim(targets(FakeService()), "f1")  # type: ignore[call-arg] # each has a target first


@pytest.mark.parametrize("grace_s", [-0.1, 60.1, math.inf, math.nan])
@pytest.mark.parametrize("kind", [TerminateFault, RestartFault])
def test_a_grace_that_cannot_be_is_refused(kind: Callable[[str, float], Fault], grace_s: float) -> None:
    with pytest.raises(ValueError, match="grace_s = "):
        kind("redis", grace_s)


def test_those_that_end_a_service_are_known_to_who_judges_its_life() -> None:
    ending = {fault.kind for fault in FAULTS if fault.aim(targets(FakeService()), "").undo()[0].action == "start"}
    assert ending == ENDING


@given(st.sampled_from(FAULTS), st.sampled_from(FAULTS), st.sampled_from(["redis", "api"]))
def test_two_of_them_never_meet_on_one_service(one: Fault, other: Fault, target: str) -> None:
    second = type(other)(target)  # type: ignore[call-arg] # each has a target first
    assert bool(one.claims & second.claims) == (target == one.target)


@given(before=observations, now=observations)
def test_an_effect_counts_only_on_what_was_whole_and_only_as_itself(before: Observed, now: Observed) -> None:
    effects: dict[str, bool] = {
        "kill": now.state is State.GONE,
        "terminate": now.state is State.GONE,
        "pause": now.state is State.STOPPED,
        "restart": now.state in {State.RUNNING, State.HUNG} and now.amount != before.amount,
    }
    for fault in FAULTS:
        doubt = fault.aim(targets(FakeService()), "f1").missing(before, now)
        assert (doubt is None) == (before.state is State.RUNNING and effects[fault.kind])
        assert doubt is None or str(now) in doubt or str(before) in doubt


@given(now=observations)
def test_it_is_back_when_it_runs_and_answers_as_another_where_it_was_ended(now: Observed) -> None:
    for fault in FAULTS:
        left = fault.aim(targets(FakeService()), "f1").remaining(WHOLE, now)
        another = now.amount != WHOLE.amount
        assert (left is None) == (now.state is State.RUNNING and another == (fault.kind in ENDING))
        assert left is None or str(now) in left
