"""Undoing: in reverse order, each step verified, none kept from being tried by another that fails."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.faults.links.toxics import Latency
from chaos.faults.links.toxiproxy import Proxy
from chaos.healing.actions import ACTIONS
from chaos.undo import Force, Step, undo
from harness.errors import ChaosError, HealFailed
from tests.chaos.conftest import StartToxiproxy, Toxiproxy


@dataclass
class Shelf:
    """Things by number that are fallen; the action `pick` puts one back, unless it fails or only says that it did."""

    fallen: set[int]
    failing: frozenset[int] = frozenset()
    lying: frozenset[int] = frozenset()
    force: Mapping[int, Force] = field(default_factory=dict)
    calls: list[int] = field(default_factory=list)

    def carry_out(self, args: Mapping[str, object]) -> Force | None:
        number = int(str(args["number"]))
        self.calls.append(number)
        if number in self.failing:
            raise ChaosError(f"{number} is out of reach")
        if number not in self.lying:
            self.fallen.discard(number)
        return self.force.get(number)

    def remaining(self, args: Mapping[str, object]) -> str | None:
        return f"{args['number']} lies there" if int(str(args["number"])) in self.fallen else None


def pick(*numbers: int) -> list[Step]:
    return [Step("pick", {"number": number}) for number in numbers]


@given(
    numbers=st.lists(st.integers(0, 9), unique=True),
    failing=st.frozensets(st.integers(0, 9)),
    lying=st.frozensets(st.integers(0, 9)),
)
def test_every_step_is_tried_in_reverse_and_every_failure_told(
    numbers: list[int], failing: frozenset[int], lying: frozenset[int]
) -> None:
    shelf = Shelf(set(numbers), failing, lying)
    bad = [number for number in reversed(numbers) if number in failing | lying]
    told = ""
    try:
        undo(pick(*numbers), {"pick": shelf})
    except HealFailed as error:
        told = str(error)
    assert shelf.calls == list(reversed(numbers))
    assert shelf.fallen == set(bad)
    assert len(told.split("; ")) == max(1, len(bad))
    for number, word in zip(bad, told.split("; "), strict=False):
        assert str(number) in word
    # Whatever was in the way is gone, and what was put back already does not mind.
    shelf.failing = shelf.lying = frozenset()
    undo(pick(*numbers), {"pick": shelf})
    assert not shelf.fallen


def test_what_force_it_took_is_told() -> None:
    (force,) = undo(pick(1, 2), {"pick": Shelf({1, 2}, force={1: Force("with a crowbar", {"number": 2})})})
    assert force.how == "with a crowbar"
    assert force.struck(pick(3, 2))
    assert not force.struck(pick(1, 3))
    assert not force.struck([Step("other", {})])


def test_force_strikes_only_what_shares_all_that_was_lost() -> None:
    force = Force("made anew", {"api": "here", "proxy": "a"})
    assert force.struck([Step("toxic.remove", {"api": "here", "proxy": "a", "toxic": "t"})])
    assert not force.struck([Step("proxy.enable", {"api": "here", "proxy": "b"})])


def test_a_step_that_nobody_knows_keeps_no_other_from_being_taken() -> None:
    shelf = Shelf({1, 2})
    with pytest.raises(HealFailed, match=r"unknown undo action juggle\(balls=3\)"):
        undo([*pick(1), Step("juggle", {"balls": 3}), *pick(2)], {"pick": shelf})
    assert not shelf.fallen


def breakages(server: Toxiproxy) -> Iterator[tuple[Proxy, Step]]:
    proxy = Proxy("127.0.0.1", server.port, "redis")
    api = {"api": proxy.address, "proxy": "redis"}
    proxy.add("slow", Latency(0.01, "upstream"))
    yield proxy, Step("toxic.remove", {**api, "toxic": "slow"})
    proxy.set_enabled(False)
    yield proxy, Step("proxy.enable", api)


def test_on_a_real_proxy_undoing_is_idempotent_and_seen(server: Toxiproxy) -> None:
    made = list(breakages(server))
    proxy, steps = made[0][0], [json_safe(step) for _, step in made]
    assert [ACTIONS[step.action].remaining(step.args) is None for step in steps] == [False, False]
    for _ in range(2):
        undo(steps, ACTIONS)
        assert proxy.state().whole
    assert [ACTIONS[step.action].remaining(step.args) for step in steps] == [None, None]


def test_in_whatever_order_the_steps_are_taken_the_proxy_is_whole(server: Toxiproxy) -> None:
    for order in itertools.permutations(range(2)):
        made = list(breakages(server))
        undo([made[n][1] for n in order], ACTIONS)
        assert made[0][0].state().whole


def test_a_server_that_is_gone_has_taken_all_that_was_amiss_with_it(start_toxiproxy: StartToxiproxy) -> None:
    with start_toxiproxy("[]") as server:
        api = {"api": f"127.0.0.1:{server.port}", "proxy": "redis"}
        steps = [Step("proxy.enable", api), Step("toxic.remove", {**api, "toxic": "slow"})]
        with pytest.raises(HealFailed, match="no such proxy"):
            undo(steps, ACTIONS)
    undo(steps, ACTIONS)


def json_safe(step: Step) -> Step:
    """Return the step as the ledger would give it back."""
    return Step(step.action, json.loads(json.dumps(step.args)))
