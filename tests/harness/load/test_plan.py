"""A plan in shares: together they are the whole, and it can be sent to where it is played."""

import dataclasses
import itertools
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import EnvironmentMissing
from harness.load.clients.clients import Addresses
from harness.load.engine.engine import SESSION_NUMBERS
from harness.load.engine.users import Users
from harness.load.operations.declared import HttpOperation
from harness.load.plan import LoadPlan
from harness.load.schedule.arrivals import Spike, constant
from harness.load.schedule.cancels import Cancels
from harness.load.schedule.mix import Mix
from harness.load.settings import LoadSettings
from harness.load.websocket.sockets import Sockets
from harness.tables import validate

MIX = Mix({"rpc_echo": 3, "cache_get": 1})
ADDRESSES = Addresses(api="http://127.0.0.1:1", tokens=("a", "b"))


def plan(load: LoadSettings, seed: int = 7) -> LoadPlan:
    return LoadPlan(load, (constant(50, 2), Spike(7)), ADDRESSES, "run-1", seed)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32), of=st.integers(1, 9), poisson=st.booleans())
def test_shares_are_the_whole_each_arrival_once(seed: int, of: int, poisson: bool) -> None:  # noqa: FBT001 - drawn
    whole = plan(LoadSettings(50, MIX, poisson=poisson), seed)
    shares = [list(whole.part(shard, of).arrivals) for shard in range(of)]
    assert sorted(itertools.chain(*shares)) == list(whole.arrivals())
    assert [arrival.number for arrival in whole.arrivals()] == list(range(len(list(whole.arrivals()))))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(seed=st.integers(0, 2**32), rare=st.floats(1e-9, 1e-3))
def test_a_rare_operation_is_asked_for_at_once(seed: int, rare: float) -> None:
    mix = Mix({"rpc_echo": 1, "rpc_slow": rare, "cache_get": 0})
    first = [arrival.operation for arrival in itertools.islice(plan(LoadSettings(50, mix), seed).arrivals(), 2)]
    assert sorted(first) == ["rpc_echo", "rpc_slow"]


@given(of=st.integers(1, 9), slots=st.integers(1, 100))
def test_shares_have_at_least_the_slots_of_the_whole_and_hardly_more(of: int, slots: int) -> None:
    whole = plan(LoadSettings(50, MIX, in_flight_max=slots))
    total = sum(whole.part(shard, of).in_flight_max for shard in range(of))
    assert slots <= total < slots + of


def test_what_sessions_do_is_numbered_apart_from_arrivals_and_from_each_other() -> None:
    whole = plan(LoadSettings(50, MIX))
    numbers = [list(itertools.islice(whole.part(shard, 3).session_numbers, 100)) for shard in range(3)]
    flat = list(itertools.chain(*numbers))
    assert len(set(flat)) == 300
    assert min(flat) >= SESSION_NUMBERS


def test_users_and_sockets_are_shared_out() -> None:
    load = LoadSettings(50, MIX, users=Users(7, MIX, 1.0), sockets=Sockets(5))
    assert [len(plan(load).part(shard, 3).sessions) for shard in range(3)] == [5, 4, 3]


def test_a_plan_survives_being_sent() -> None:
    declared = {"home": validate(HttpOperation, {"path": "/{number}", "json": {"a": ["{run}"]}})}
    load = LoadSettings(50, Mix({"home": 1}), users=Users(3, MIX, 1.0), sockets=Sockets(5), declared=declared)
    load = dataclasses.replace(load, cancels=Cancels(0.1, 0.0, 0.3))
    whole = plan(load)
    again = pickle.loads(pickle.dumps(whole))  # noqa: S301 - our own
    assert again == whole
    assert list(again.part(1, 2).arrivals) == list(whole.part(1, 2).arrivals)


def test_deadlines_go_with_their_operations() -> None:
    part = plan(LoadSettings(50, MIX, deadline_s=2.0, deadlines_s={"cache_get": 0.5})).part()
    deadlines = [part.call(name, 1, user=-1, intended_ns=0).deadline_s for name in ("rpc_echo", "cache_get")]
    assert deadlines == [2.0, 0.5]


@given(seed=st.integers(0, 2**32), of=st.integers(1, 5))
def test_the_same_calls_are_given_up_whoever_plays_them_but_none_of_the_first(seed: int, of: int) -> None:
    whole = plan(LoadSettings(50, MIX, cancels=Cancels(0.5, 0.0, 1.0)), seed)
    parts = [whole.part(shard, of) for shard in range(of)]
    moments = [[part.call("rpc_echo", n, user=-1, intended_ns=0).cancel_s for n in range(60)] for part in parts]
    assert all(one == moments[0] for one in moments)
    assert moments[0][:2] == [None, None], "each operation is asked for once, to its end"
    assert moments[0][2:] == [Cancels(0.5, 0.0, 1.0).after_s(seed, n) for n in range(2, 60)]
    assert plan(LoadSettings(50, MIX), seed).part().call("rpc_echo", 9, user=-1, intended_ns=0).cancel_s is None


def test_an_operation_that_needs_what_is_not_there_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(EnvironmentMissing, match="an address of auth, redis is missing"):
        plan(LoadSettings(50, Mix({"login": 1, "redis_get": 1}))).part()


def test_secrets_are_not_shown() -> None:
    shown = repr(
        LoadPlan(LoadSettings(1, MIX), (), Addresses("u", "u", "dsn-secret", "r-secret", ("t-secret",)), "r", 1)
    )
    assert "secret" not in shown
