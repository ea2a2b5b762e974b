import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.engine.users import Users
from harness.load.schedule.mix import Mix

MIX = Mix({"read": 3, "write": 1})


def steps(users: Users, user: int, seed: int, count: int = 50) -> list[tuple[float, str]]:
    return list(itertools.islice(users.flow(user, seed), count))


@given(user=st.integers(0, 500), seed=st.integers(0, 2**32))
def test_a_user_repeats_with_the_seed(user: int, seed: int) -> None:
    users = Users(501, MIX, 0.5, first=("login",))
    assert steps(users, user, seed) == steps(users, user, seed)
    assert steps(users, user, seed)[0] == (0.0, "login")


def test_users_differ_from_each_other() -> None:
    users = Users(2, MIX, 0.5)
    assert steps(users, 0, 7) != steps(users, 1, 7)


def test_they_think_for_an_exponential_time_of_the_mean_that_was_asked_for() -> None:
    thought = [think_s for think_s, _ in steps(Users(1, MIX, 2.0), 0, 7331, 4000)]
    # Mean and deviation of an exponential are the same; six standard deviations of 4000 draws.
    assert sum(thought) / 4000 == pytest.approx(2.0, rel=6 / 4000**0.5)
    assert min(thought) >= 0
    assert {think_s for think_s, _ in steps(Users(1, MIX, 0.0), 0, 1)} == {0.0}


@given(count=st.integers(1, 50), over_s=st.floats(0, 100), of=st.integers(1, 8))
def test_shares_are_all_users_once_and_each_begins_in_its_place(count: int, over_s: float, of: int) -> None:
    users = Users(count, MIX, 1.0, over_s=over_s)
    shares = [list(users.sessions(1, shard=shard, of=of)) for shard in range(of)]
    begins = sorted(begin_s for share in shares for begin_s, _ in share)
    assert begins == pytest.approx([over_s * n / count for n in range(count)])
    assert {getattr(session, "user") for share in shares for _, session in share} == set(range(count))  # noqa: B009 - a session is any callable


def test_less_than_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        Users(-1, MIX, 1.0)
    with pytest.raises(ValueError, match="must not be negative"):
        Users(1, MIX, -1.0)
